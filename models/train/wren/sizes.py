"""Every size of the model, in one place. They travel in the checkpoint's params.json; the runtime reads them there."""

from dataclasses import dataclass, field

from .alphabet import ENTRIES

SAMPLE_RATE_HZ = 24_000
FRAME_SAMPLES = 1_920
PATCH_SAMPLES = 240
UNIT_SAMPLES = 600  # of the teacher's durations
FIRST_CODE = 2  # codes in the checkpoint are shifted: 0 EMPTY, 1 END


@dataclass(frozen=True)
class CodecSizes:
    semantic_dim: int = 76
    value_dim: int = 20  # acoustic values with a meaning; the tables of `acoustics` say how many
    noise_dim: int = 12  # acoustic codes with none: noise for the decoder
    acoustic_levels: int = 21
    dim: int = 256
    n_heads: int = 8
    hidden_dim: int = 768
    kernels: tuple = (3, 4, 4, 4)
    strides: tuple = (1, 2, 2, 2)
    lengths: tuple = (2, 1, 2, 4)
    window: int = 16
    norm_eps: float = 0.01
    qk_norm_eps: float = 1e-6
    output_kernel: int = 7
    encoder_bands: int = 80
    encoder_hidden_dim: int = 512

    @property
    def acoustic_dim(self):
        return self.value_dim + self.noise_dim

    def values(self, levels):
        """Integers 0 .. acoustic_levels - 1, as floats, in [-1, 1]."""
        return levels * 2 / (self.acoustic_levels - 1) - 1


@dataclass(frozen=True)
class StackSizes:
    """One stack of pre-norm transformer layers: the backbone, or the flow head."""

    dim: int = 256
    n_layers: int = 12
    n_heads: int = 4
    n_kv_heads: int = 2
    head_dim: int = 64
    hidden_dim: int = 768
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5


@dataclass(frozen=True)
class LanguageSizes:
    backbone: StackSizes = field(default_factory=StackSizes)
    flow: StackSizes = field(default_factory=lambda: StackSizes(n_layers=3))
    voice_rows: int = 12
    n_special_tokens: int = 64

    @property
    def vocabulary(self):
        return self.n_special_tokens + len(ENTRIES)
