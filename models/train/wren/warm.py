"""Stage `warm`: go on training from a finished pack, where the working folder of its training is gone.

In: a pack as `syrinx pack` wrote it, and the tables that its codes and values mean (`tables/`). Out: `codec.pt` and
`language.pt` with those weights and a cold optimiser, `codes.json`, `acoustics.npz`. The inverse of `export` and of the
importer's folding, up to the rounding of the pack's types.
"""

import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

from . import acoustics
from . import codes as code_table
from .acoustics import means
from .checkpoint import State
from .codec import Codec
from .export import FLOW_IN, FLOW_OUT
from .language import Language
from .sizes import FIRST_CODE
from .teacher import VOICES
from .train_codec import Trained, optimiser_of
from .train_language import optimisers

TABLES = Path(__file__).resolve().parent.parent / "tables"
CODEC = "audio_tokenizer."
NOISE_COLUMNS = 0.1  # deviation, of that of the columns that are there
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


def widened(weight, count, fill=0.0):
    """Columns [..., n] of the acoustic codes that a pack has, then those that it has not: normal with deviation `fill`."""
    missing = torch.randn(*weight.shape[:-1], count - weight.shape[-1]) * fill
    return torch.cat([weight, missing], -1)


def convolution(stored, i, sizes):
    """The weight of the decoder's convolution before its stage i, as torch has it, out of `speech.gguf`."""
    kernel, stride, weight = sizes.kernels[i], sizes.strides[i], stored[f"{CODEC}decoder_blocks.{2 * i}.conv.weight"]
    if i == 0:
        return weight.view(sizes.dim, kernel, -1).permute(0, 2, 1)
    # rows: phase and output; columns: tap of that phase and input
    return weight.view(stride, sizes.dim, kernel // stride, sizes.dim).permute(3, 1, 2, 0).flatten(2)


def output(stored, sizes):
    """That of its last one, in samples."""
    return stored[f"{CODEC}output_proj.conv.weight"].view(-1, sizes.output_kernel, sizes.dim).permute(0, 2, 1)


def kept_codec(stored, sizes):
    """{name in the checkpoint: tensor} of a pack's codec as it is, out of `speech.gguf`."""
    rows = stored[f"{CODEC}quantizer.semantic_codebook.embedding"]
    kept = {
        f"{CODEC}quantizer.semantic_codebook.embedding_sum": rows,
        f"{CODEC}quantizer.semantic_codebook.cluster_usage": torch.ones(len(rows)),
    }
    weights = {f"decoder_blocks.{2 * i}": convolution(stored, i, sizes) for i in range(len(sizes.kernels))}
    for name, weight in (weights | {"output_proj": output(stored, sizes)}).items():
        parts = f"{CODEC}{name}.conv.parametrizations.weight.original"
        kept |= {f"{parts}0": weight.flatten(1).norm(dim=1)[:, None, None], f"{parts}1": weight.contiguous()}
    others = {name: t for name, t in stored.items() if name.startswith(CODEC) and not re.search(r"\.conv\.|quantizer", name)}
    return kept | others


def fill_codec(codec, stored, codes):
    """Decoder and codebook out of `speech.gguf`. A pack with fewer acoustic codes lacks columns of the first convolution."""
    sizes = codec.sizes
    set_rows(codec.codebook, stored[f"{CODEC}quantizer.semantic_codebook.embedding"], codes)
    for i in range(len(sizes.kernels)):
        weight = convolution(stored, i, sizes)
        if i == 0:
            weight, latent = weight.transpose(1, 2), sizes.semantic_dim + sizes.value_dim
            weight = widened(weight, max(latent, weight.shape[-1]))
            weight = widened(weight, latent + sizes.noise_dim, NOISE_COLUMNS * weight.std()).transpose(1, 2)
        set_convolution(codec.decoder.decoder_blocks[2 * i].conv, weight)
    out = codec.decoder.output_proj
    set_convolution(out.conv, out.unfolded(output(stored, sizes)))
    for name, parameter in codec.decoder.named_parameters():
        if "parametrizations" not in name:
            parameter.copy_(stored[f"{CODEC}{name}"])


def finished_codec(pack, codes, tables):
    """The codec of a finished pack as it is, without noise and with the seams of its patches."""
    stored, sizes = tensors(Path(pack) / "speech.gguf"), replace(tables.sizes, noise_dim=0)
    width = convolution(stored, 0, sizes).shape[1]
    if width > sizes.semantic_dim + sizes.value_dim:
        raise SystemExit(f"{pack} has noise codes, or values that acoustics.npz lacks: go on from it by `warm`")
    codec = Codec(codes, tables, sizes, lapped=False)
    with torch.no_grad():
        fill_codec(codec, stored, codes)
    return codec.eval()


def fill_language(language, backbone, speech, codes):
    """Backbone, flow head, tables and voices. A pack with fewer acoustic values says nothing about the others: their rows are zero,
    and the flow begins with no velocity for them."""
    count, codec = len(codes), language.codec
    letters = speech["mm_audio_embeddings.tok_embeddings.weight"]
    language.tok_embeddings.weight[: len(letters)] = letters  # an older pack knows no phones
    table = speech["mm_audio_embeddings.audio_codebook_embeddings.embeddings.weight"][FIRST_CODE:]
    set_rows(language.semantic, table[:count], codes)
    flow = {name: speech[f"acoustic_transformer.{name}"] for name, _ in language.flow.named_parameters()}
    stored = min(codec.value_dim, len(flow[FLOW_OUT]))
    used = table[count : count + stored * (codec.acoustic_levels + FIRST_CODE)]
    levels = used.view(stored, -1, used.shape[1])[:, FIRST_CODE:].flatten(0, 1)
    language.acoustic.weight.zero_()[: len(levels)] = levels
    flow[FLOW_IN] = widened(flow[FLOW_IN][:, :stored], codec.value_dim)
    flow[FLOW_OUT] = widened(flow[FLOW_OUT][:stored].T, codec.value_dim).T
    head = backbone["output.weight"]
    language.end.copy_(head[FIRST_CODE - 1])
    set_rows(language.head, head[FIRST_CODE : FIRST_CODE + count], codes)
    language.norm.weight.copy_(backbone["output_norm.weight"])
    for i, layer in enumerate(language.layers):
        for theirs, ours in BACKBONE.items():
            layer.get_parameter(f"{ours}.weight").copy_(backbone[f"blk.{i}.{theirs}.weight"])
    for name, parameter in language.flow.named_parameters():
        parameter.copy_(flow[name])
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
    tables = acoustics.load(home)
    trained, language = Trained(codes, tables), Language(codes, len(VOICES), codec=tables.sizes)
    fill_codec(trained.codec, speech, codes)
    fill_language(language, backbone, speech, codes)
    steps = [int(provenance.get(f"{part}_steps", 0)) for part in ("codec", "language")]
    save(home.folder("codec") / "codec.pt", trained, optimiser_of(trained), steps[0])
    save(home.folder("language") / "language.pt", language, optimisers(language), steps[1])
    home.log(f"warm: {pack.name}, codec step {steps[0]}, language step {steps[1]}, optimisers cold")
