"""The exported files give the reference implementation the same numbers as the model that was trained."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from voxtral_ref import Model, Tokenizer

from wren import export
from wren.codec import Codec
from wren.encoder import Listener
from wren.language import Language, text_tokens
from wren.sizes import CodecSizes, LanguageSizes, StackSizes
from wren.teacher import VOICES

CODEC = CodecSizes(dim=64, n_heads=8, hidden_dim=96, encoder_hidden_dim=64)
LANGUAGE = LanguageSizes(
    backbone=StackSizes(dim=64, n_layers=2, head_dim=32, n_heads=4, hidden_dim=96),
    flow=StackSizes(dim=96, n_layers=3, head_dim=32, n_heads=4, hidden_dim=128),
)


@pytest.fixture
def trained(codes, acoustics):
    codec, language = Codec(codes, acoustics, CODEC), Language(codes, len(VOICES), LANGUAGE, CODEC)
    for model in (codec, language):
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, parameter.mean().item(), 0.05)
    return codec.eval(), language.eval()


@pytest.fixture
def written(trained, codes, tmp_path):
    export.write(tmp_path, *trained, len(codes), {"speech_hours": 0.0})
    return tmp_path


def codes_of(rng, codes, frames):
    return rng.integers(0, len(codes), frames), rng.integers(0, CODEC.acoustic_levels, (frames, CODEC.acoustic_dim))


@torch.inference_mode()
def test_the_reference_decodes_the_same_samples(trained, written, codes):
    named, levels = codes_of(np.random.default_rng(1), codes, 9)
    codec = trained[0]
    values, noise = codec.values(torch.from_numpy(levels).float())[None].split((CODEC.value_dim, CODEC.noise_dim), -1)
    ours = codec.decode(torch.from_numpy(named)[None], values, noise)[0]
    theirs = Model(written).decode(np.concatenate([named[:, None], levels], 1))
    assert ours.abs().max() > 1e-3
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * float(ours.abs().max()))


@torch.inference_mode()
def test_the_reference_reads_the_same_states_from_text_and_frames(trained, written, codes):
    language, text, voice = trained[1], "Half past ten, isn't it?", 2
    reference, tokenizer = Model(written), Tokenizer(written / "tekken.json")
    named, levels = codes_of(np.random.default_rng(2), codes, 3)
    frames = language.frame_rows(torch.from_numpy(named), torch.from_numpy(levels)[:, : CODEC.value_dim])  # noise is not fed back
    prompt = language.prompt(torch.tensor(text_tokens(text, language.sizes)), voice)
    ours = language.backbone(torch.cat([prompt, frames])[None])[0][0]
    name = list(VOICES)[voice]
    rows = load_file(written / "voice_embedding" / f"{name}.safetensors")["rows"]
    embedded = reference.prompt_embeds(tokenizer.speech_prompt(text.lower(), name), rows)
    shifted = np.concatenate([named[:, None], levels], 1) + 2
    theirs = reference.backbone(np.concatenate([embedded, [reference.frame_embed(f) for f in shifted]]), reference.new_cache())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    logits = reference.semantic_logits(theirs[-1])
    np.testing.assert_allclose(language.logits(ours[-1]), logits[1 : len(codes) + 2], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_the_reference_draws_the_same_acoustic_values_and_leaves_the_noise_as_it_was(trained, written):
    hidden, noise = torch.randn(1, LANGUAGE.backbone.dim), torch.randn(1, CODEC.acoustic_dim)
    ours = trained[1].flow.sample(hidden, noise[:, : CODEC.value_dim])[0]
    theirs = Model(written).flow(hidden[0].numpy(), noise[0].numpy())
    assert (ours - noise[0, : CODEC.value_dim]).abs().max() > 0.01
    np.testing.assert_allclose(ours, theirs[: CODEC.value_dim], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(theirs[CODEC.value_dim :], noise[0, CODEC.value_dim :])


def test_cached_steps_equal_one_pass(trained, codes):
    language, x = trained[1], torch.randn(1, 11, LANGUAGE.backbone.dim)
    whole = language.backbone(x)[0]
    caches = [{} for _ in language.layers]
    steps = [language.backbone(x[:, :7], 0, caches)[0]]
    steps += [language.backbone(x[:, i : i + 1], i, caches)[0] for i in range(7, 11)]
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=0, atol=1e-5)


def test_a_voice_file_holds_the_rows_that_were_learnt(trained, written):
    sizes = json.loads((written / "tekken.json").read_text())["audio"]["voice_num_audio_tokens"]
    for i, name in enumerate(VOICES):
        rows = load_file(written / "voice_embedding" / f"{name}.safetensors")["rows"]
        assert len(rows) == sizes[name]
        np.testing.assert_array_equal(rows, trained[1].voices[i].detach().numpy())


def test_an_encoder_travels_where_there_is_one(trained, codes, tmp_path):
    listener = Listener(CODEC)
    audio = torch.randn(1, 6 * 1920) * 0.1
    semantic, acoustic = listener.encode(audio)
    assert semantic.shape == (1, 6, CODEC.semantic_dim) and acoustic.abs().max() <= 1
    for encoder in (None, listener.encoder):
        export.write(tmp_path, *trained, len(codes), {}, encoder)
        names = [name for name in load_file(tmp_path / "consolidated.safetensors") if ".encoder." in name]
        declared = json.loads((tmp_path / "params.json").read_text())["multimodal"]["audio_tokenizer_args"]
        assert bool(names) == ("encoder" in declared) == (encoder is not None)
