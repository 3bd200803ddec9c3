"""Training goes on from a pack with the weights that were exported into it. Needs the built `syrinx` (make build)."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

from wren import export, warm
from wren.codec import Codec
from wren.language import Language
from wren.sizes import CodecSizes, LanguageSizes
from wren.teacher import VOICES

SYRINX = os.environ.get("SYRINX", str(Path(__file__).resolve().parents[3] / "target/release/syrinx"))


def drawn(model):
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, parameter.mean().item(), 0.05)
    return model.eval()


@pytest.fixture
def pack(codes, acoustics, tmp_path):
    """An f32 pack, and the codec and language model whose weights it holds."""
    models = drawn(Codec(codes, acoustics)), drawn(Language(codes, len(VOICES)))
    export.write(tmp_path / "export", *models, len(codes), {"speech_hours": 0.0})
    command = [SYRINX, "pack", "--from", tmp_path / "export", "--to", tmp_path / "pack", "--recipe", "f32"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return tmp_path / "pack", *models


@torch.inference_mode()
def test_the_weights_of_a_pack_make_the_same_sound(pack, codes, acoustics):
    folder, codec, _ = pack
    again = Codec(codes, acoustics)
    warm.fill_codec(again, warm.tensors(folder / "speech.gguf"), codes)
    named = torch.randint(len(codes), (1, 7))
    values, noise = codec.values(torch.randint(21, (1, 7, CodecSizes().value_dim)).float()), codec.noise((1, 7))
    wanted = codec.decode(named, values, noise)
    torch.testing.assert_close(again.decode(named, values, noise), wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


@torch.inference_mode()
def test_the_weights_of_a_pack_read_the_same_text(pack, codes):
    folder, _, language = pack
    again = Language(codes, len(VOICES))
    warm.fill_language(again, warm.tensors(folder / "backbone.gguf"), warm.tensors(folder / "speech.gguf"), codes)
    prompt = torch.arange(9) + LanguageSizes().n_special_tokens
    named = torch.randint(len(codes), (5,))
    levels = torch.randint(21, (5, CodecSizes().value_dim))
    for voice in range(len(VOICES)):
        states = [
            model.backbone(torch.cat([model.prompt(prompt, voice), model.frame_rows(named, levels)])[None])[0][0]
            for model in (language, again)
        ]
        torch.testing.assert_close(states[1], states[0], rtol=0, atol=1e-4)
        torch.testing.assert_close(again.logits(states[0]), language.logits(states[0]), rtol=0, atol=1e-4)
        noise = torch.randn(5, CodecSizes().value_dim)
        hidden = states[0][-5:]
        torch.testing.assert_close(again.flow.sample(hidden, noise), language.flow.sample(hidden, noise), rtol=0, atol=1e-4)


def test_a_pack_s_codec_is_exported_as_it_is(pack, codes, acoustics):
    folder, codec, language = pack
    kept = warm.kept_codec(warm.tensors(folder / "speech.gguf"), codec.sizes)
    wanted = {name: t for name, t in export.tensors(codec, language).items() if name.startswith(warm.CODEC)}
    assert set(kept) == set(wanted)
    for name in wanted:
        if name.endswith("original1"):  # a direction is of any length
            first, second = (t[name] / t[name].flatten(1).norm(dim=1)[:, None, None] for t in (kept, wanted))
            torch.testing.assert_close(first, second, rtol=0, atol=1e-5)
        else:
            torch.testing.assert_close(kept[name].reshape(wanted[name].shape), wanted[name], rtol=0, atol=1e-5)
