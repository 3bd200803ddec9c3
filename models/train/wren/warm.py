"""Stage `warm`: go on training from a finished pack, where the working folder of its training is gone.

In: a pack as `syrinx pack` wrote it, and the tables that its codes and values mean (`tables/`). Out: `codec.pt` and
`language.pt` with those weights and a cold optimiser, `codes.json`, `acoustics.npz`. The inverse of `export` and of the
importer's folding, up to the rounding of the pack's types.
"""

import shutil
import tomllib
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

from . import acoustics
from . import codes as code_table
from .acoustics import cosine_basis, means
from .checkpoint import State
from .language import Language
from .sizes import FIRST_CODE
from .teacher import VOICES
from .train_codec import Trained, optimiser_of
from .train_language import optimisers

TABLES = Path(__file__).resolve().parent.parent / "tables"
BACKBONE = {
    "attn_norm": "attention_norm",
    "attn_q": "attention.wq",
    "attn_k": "attention.wk",
    "attn_v": "attention.wv",
    "attn_output": "attention.wo",
    "ffn_norm": "ffn_norm",
    "ffn_gate": "feed_forward.w1",
    "ffn_down": "feed_forward.w2",
    "ffn_up": "feed_forward.w3",
}


def tensors(path):
    """{name: float32 tensor}, row-major."""
    return {
        t.name: torch.from_numpy(np.array(dequantize(t.data, t.tensor_type), dtype=np.float32)) for t in GGUFReader(path).tensors
    }


def factored(rows, codes):
    """(first, second, own) whose sum is `rows`: phones' means, and what they leave."""
    _, (first, second), rest = means(rows.numpy(), (codes.first, codes.second))
    first = first + rows.numpy().mean(0)
    return tuple(torch.from_numpy(part) for part in (first, second, rest))


def set_rows(codebook, rows, codes):
    for parameter, part in zip((codebook.first, codebook.second, codebook.own), factored(rows, codes)):
        parameter.copy_(part)


def set_convolution(conv, weight):
    """A weight-normed convolution that has this weight: direction and length apart."""
    norm, direction = (getattr(conv.parametrizations.weight, name) for name in ("original0", "original1"))
    direction.copy_(weight)
    norm.copy_(weight.flatten(1).norm(dim=1)[:, None, None])


def fill_codec(codec, stored, codes):
    """Decoder and codebook out of `speech.gguf`."""
    prefix, sizes = "audio_tokenizer.", codec.sizes
    set_rows(codec.codebook, stored[f"{prefix}quantizer.semantic_codebook.embedding"], codes)
    for i, (kernel, stride) in enumerate(zip(sizes.kernels, sizes.strides)):
        weight = stored[f"{prefix}decoder_blocks.{2 * i}.conv.weight"]
        if i == 0:
            weight = weight.view(sizes.dim, kernel, -1).permute(0, 2, 1)
        else:  # rows: phase and output; columns: tap of that phase and input
            phases = weight.view(stride, sizes.dim, kernel // stride, sizes.dim)
            weight = phases.permute(3, 1, 2, 0).flatten(2)
        set_convolution(codec.decoder.decoder_blocks[2 * i].conv, weight)
    out = codec.decoder.output_proj
    samples = stored[f"{prefix}output_proj.conv.weight"].view(-1, sizes.output_kernel, sizes.dim).permute(0, 2, 1)
    spread = out.basis.norm(dim=1)
    set_convolution(out.conv, torch.einsum("fs,sct->fct", cosine_basis() / spread[:, None], samples))
    for name, parameter in codec.decoder.named_parameters():
        if "parametrizations" not in name:
            parameter.copy_(stored[f"{prefix}{name}"])


def fill_language(language, backbone, speech, codes):
    """Backbone, flow head, tables and voices."""
    count, codec = len(codes), language.codec
    language.tok_embeddings.weight.copy_(speech["mm_audio_embeddings.tok_embeddings.weight"])
    table = speech["mm_audio_embeddings.audio_codebook_embeddings.embeddings.weight"][FIRST_CODE:]
    set_rows(language.semantic, table[:count], codes)
    used = table[count : count + codec.acoustic_dim * (codec.acoustic_levels + FIRST_CODE)]
    levels = used.view(codec.acoustic_dim, -1, used.shape[1])[:, FIRST_CODE:]
    language.acoustic.weight.copy_(levels.flatten(0, 1))
    head = backbone["output.weight"]
    language.end.copy_(head[FIRST_CODE - 1])
    set_rows(language.head, head[FIRST_CODE : FIRST_CODE + count], codes)
    language.norm.weight.copy_(backbone["output_norm.weight"])
    for i, layer in enumerate(language.layers):
        for theirs, ours in BACKBONE.items():
            layer.get_parameter(f"{ours}.weight").copy_(backbone[f"blk.{i}.{theirs}.weight"])
    for name, parameter in language.flow.named_parameters():
        parameter.copy_(speech[f"acoustic_transformer.{name}"])
    for i, name in enumerate(VOICES):
        language.voices[i].copy_(speech[f"voice.{name}"])


def save(path, model, optimiser, step):
    if path.exists():
        raise SystemExit(f"{path} exists: training goes on from there; move it away to start from the pack")
    state = State(path, model, optimiser)
    state.step = step
    state.average = {name: p.detach().clone() for name, p in model.named_parameters()}
    state.save()


@torch.no_grad()
def run(home, pack):
    pack = Path(pack)
    for name in ("codes.json", "acoustics.npz"):
        shutil.copy(TABLES / name, home.folder(".") / name)
    codes = code_table.load(home)
    backbone, speech = tensors(pack / "backbone.gguf"), tensors(pack / "speech.gguf")
    provenance = tomllib.loads((pack / "pack.toml").read_text()).get("provenance", {})
    trained, language = Trained(codes, acoustics.load(home)), Language(codes, len(VOICES))
    fill_codec(trained.codec, speech, codes)
    fill_language(language, backbone, speech, codes)
    steps = [int(provenance.get(f"{part}_steps", 0)) for part in ("codec", "language")]
    save(home.folder("codec") / "codec.pt", trained, optimiser_of(trained), steps[0])
    save(home.folder("language") / "language.pt", language, optimisers(language), steps[1])
    home.log(f"warm: {pack.name}, codec step {steps[0]}, language step {steps[1]}, optimisers cold")
