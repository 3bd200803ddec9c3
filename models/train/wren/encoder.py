"""Stage `encoder`: recordings to codes, for reading a reference voice.

In: the corpus as `speech` gives it, and the trained codec, whose codebook it looks codes up in. Out: `encoder.pt`; exported
where it exists. The encoder may look ahead. It learns to recognise what phones and `acoustics` say of a frame, from audio alone.
"""

import torch
import torch.nn.functional as F
from torch import nn

from . import acoustics as acoustic_values
from . import codes as code_table
from .checkpoint import Schedule, State, Step, adamw, train
from .layers import WindowLayer
from .precision import autocast
from .sizes import PATCH_SAMPLES
from .spectra import LogMel
from .speech import Speech
from .train_codec import CROP_FRAMES, of_checkpoint

PEAK_RATE, WARMUP_STEPS = 1e-3, 200
ACOUSTIC_WEIGHT, LARGEST_GRADIENT = 4.0, 1.0


class Encoder(nn.Module):
    """Log-mel at 100 Hz, three times halved to 12.5 Hz, with attention to both sides between."""

    def __init__(self, sizes):
        super().__init__()
        self.mel = LogMel(1024, PATCH_SAMPLES, sizes.encoder_bands)
        self.input_proj = nn.Conv1d(sizes.encoder_bands, sizes.dim, 7, padding=3, bias=False)
        self.layers, self.down = nn.ModuleList(), nn.ModuleList()
        for i in range(4):
            self.layers.append(
                WindowLayer(
                    sizes.dim,
                    sizes.n_heads,
                    sizes.encoder_hidden_dim,
                    max(4, 16 >> i),
                    sizes.norm_eps,
                    sizes.qk_norm_eps,
                    causal=False,
                )
            )
            if i < 3:
                self.down.append(nn.Conv1d(sizes.dim, sizes.dim, 4, stride=2, padding=1, bias=False))
        self.output_proj = nn.Conv1d(sizes.dim, sizes.semantic_dim + sizes.acoustic_dim, 3, padding=1, bias=False)

    def forward(self, audio):
        """[batch, samples] -> [batch, frames, semantic_dim + acoustic_dim]."""
        x = self.input_proj((self.mel(audio) + 4) / 3)
        for i, layer in enumerate(self.layers):
            x = layer(x.transpose(1, 2)).transpose(1, 2)
            if i < len(self.down):
                x = self.down[i](F.silu(x))
        return self.output_proj(x).transpose(1, 2)


class Listener(nn.Module):
    """The encoder with what its training needs beside it."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes, self.encoder = sizes, Encoder(sizes)
        self.log_sharpness = nn.Parameter(torch.zeros(()))

    def encode(self, audio):
        """Semantic vectors, and acoustic values in (-1, 1)."""
        semantic, acoustic = self.encoder(audio).float().split((self.sizes.semantic_dim, self.sizes.acoustic_dim), -1)
        return semantic, torch.tanh(acoustic)

    def recognise(self, semantic, rows):
        """Logits over codes: minus the scaled squared distance to each row, so the nearest row wins."""
        distance = semantic.square().sum(-1, keepdim=True) - 2 * semantic @ rows.T + rows.square().sum(-1)
        return -self.log_sharpness.exp() * distance


def losses(listener, rows, audio, codes, values):
    """Cross-entropy of the code, mean squared error of the values, and the share of codes that are right."""
    with autocast():
        semantic, acoustic = listener.encode(audio)
    logits = listener.recognise(semantic, rows).flatten(0, 1)
    right = (logits.argmax(-1) == codes.flatten()).float().mean()
    return F.cross_entropy(logits, codes.flatten()), F.mse_loss(acoustic[..., : values.shape[-1]], values), right


def run(home, minutes, decay_minutes, batch):
    trained, _ = of_checkpoint(home.folder("codec") / "codec.pt", code_table.load(home), acoustic_values.load(home))
    rows = trained.codec.codebook.rows().detach()
    listener, speech = Listener(trained.codec.sizes), Speech(home)
    optimiser = adamw(listener.parameters(), PEAK_RATE, (0.9, 0.999), 1e-2)
    state = State(home.folder("codec") / "encoder.pt", listener, optimiser)

    def work():
        audio, named, values, _ = speech.crops(*speech.draw(batch, CROP_FRAMES), CROP_FRAMES)
        named_loss, value_loss, right = losses(listener, rows, audio, named, values)
        optimiser.zero_grad()
        (named_loss + ACOUSTIC_WEIGHT * value_loss).backward()
        nn.utils.clip_grad_norm_(listener.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        return {"codes": named_loss.detach(), "values": value_loss.detach(), "right": right}

    step = Step(work)
    train(home, "encoder", state, Schedule(minutes, decay_minutes, PEAK_RATE, WARMUP_STEPS), lambda now: step())
