"""What the language model is asked for, and where it is told to look."""

import numpy as np
import pytest
import torch

from wren.acoustics import PITCH, SPECTRUM, VOICE
from wren.codec import Codec
from wren.language import Language
from wren.sizes import CodecSizes, LanguageSizes, StackSizes
from wren.train_codec import DRAWN_SHARE, GUESS_SHARE, LOOSE_SHARE, NOISE, disturbed
from wren.train_language import GUIDE_WIDTH, IGNORED, collate, flow_loss, guidance

CODEC = CodecSizes(dim=64, hidden_dim=96, encoder_hidden_dim=64)
STACK = StackSizes(dim=64, n_layers=1, head_dim=32, n_heads=2, hidden_dim=96)


@pytest.fixture
def model(codes):
    return Language(codes, 4, LanguageSizes(backbone=STACK, flow=STACK), CODEC)


def item(text, codes, places, levels=None):
    made = {"text": np.array(list(text.encode()), dtype=np.uint8), "codes": np.array(codes, dtype=np.int16), "voice": 1}
    made["places"] = np.array(places, dtype=np.float16)
    return made if levels is None else made | {"levels": np.array(levels, dtype=np.uint8)}


def test_each_position_is_asked_for_the_frame_after_it_and_the_last_for_the_end(model):
    x, target, _, _ = collate(model, [item("hi", [5, 6, 7], [0, 1, -1]), item("hello", [8], [2])], corrupt=False)
    first, second = model.prompt_length(2), model.prompt_length(5)
    assert target[0, first - 1 :].tolist()[:4] == [6, 7, 8, 0]
    assert target[1, second - 1 :].tolist()[:2] == [9, 0]
    assert (target[0, : first - 1] == IGNORED).all()
    torch.testing.assert_close(x[0, first + 1], model.frame_rows(torch.tensor(6)))


def test_a_spoken_frame_is_fed_back_with_its_sound(model):
    levels = np.full((2, CODEC.acoustic_dim), 3)
    x, _, _, values = collate(model, [item("a", [1, 2], [0, 0], levels), item("b", [1, 2], [0, 0])], corrupt=False)
    start = model.prompt_length(1)
    sound = model.sound_rows(torch.full((CODEC.acoustic_dim,), 3))
    torch.testing.assert_close(x[0, start] - x[1, start], sound)
    assert [b for b, _ in values] == [0]
    torch.testing.assert_close(values[0][1], torch.full((2, CODEC.acoustic_dim), 3 * 2 / 20 - 1))


def test_guidance_is_least_where_the_letter_is_spoken():
    first, letters, guide = 4, torch.tensor([6]), (torch.tensor([0]), torch.tensor([0]), torch.tensor([3.0]))
    losses = []
    for seen in range(16):
        attention = torch.full((1, 1, 16), -20.0)
        attention[0, 0, seen] = 0.0
        losses.append(float(guidance([attention], guide, first, letters)))
    assert int(np.argmin(losses)) == first + 3
    assert losses[first + 4] == pytest.approx(1 / (2 * GUIDE_WIDTH**2), abs=1e-3)
    assert losses[first + 7] > 15, "beyond the text there is no reward"


def test_flow_loss_sees_the_state_of_its_own_frame(model):
    levels = np.zeros((3, CODEC.acoustic_dim))
    _, target, _, values = collate(model, [item("abc", [1, 2, 3], [0, 1, 2], levels)], corrupt=False)
    hidden = torch.randn(1, target.shape[1], STACK.dim, requires_grad=True)
    flow_loss(model, hidden, target, values).backward()
    used = hidden.grad[0].abs().sum(-1).nonzero().flatten().tolist()
    start = model.prompt_length(3) - 1
    assert set(used) <= set(range(start, start + 3)) and used


def test_the_state_before_each_true_frame_is_the_one_that_training_reads_there(model):
    codes, levels = [1, 2, 3], np.arange(3)[:, None].repeat(CODEC.acoustic_dim, 1)
    x, target, _, _ = collate(model, [item("abc", codes, [0, 1, 2], levels)], corrupt=False)
    hidden, _ = model.backbone(x)
    states = model.states("abc", 1, torch.tensor(codes), torch.from_numpy(levels))
    torch.testing.assert_close(states, hidden[0][target[0] != IGNORED][:-1])


def test_the_decoder_hears_every_pitch_exactly_most_voices_too_and_spectra_that_are_off(codes, acoustics):
    values = torch.full((400, 2, CODEC.acoustic_dim), 0.4)
    spoken = disturbed(Codec(codes, acoustics, CODEC), values, values + 1, values[..., SPECTRUM:] - 1)
    torch.testing.assert_close(spoken[..., PITCH], values[..., PITCH])  # the phase of the sound depends on it
    kept = (spoken[..., VOICE] == 0.4).all(1)
    assert abs(float(kept.float().mean()) - (1 - LOOSE_SHARE)) < 0.1
    assert 0 < (spoken[~kept][..., VOICE] - 0.4).abs().mean() < NOISE
    spectrum = spoken[..., SPECTRUM:].mean((1, 2))
    flow, guessed = spectrum > 0.5, (spectrum < 0.3).float()
    assert abs(float(flow.float().mean()) - 0.96 * DRAWN_SHARE) < 0.1
    assert abs(float(guessed[kept & ~flow].mean()) - 0.9 * GUESS_SHARE) < 0.15
    assert float(guessed[~kept & ~flow].mean()) > 0.7


@pytest.mark.parametrize("end, frames", [(1e3, 1), (-1e3, 5)])
def test_speaking_stops_at_the_end_code_but_never_before_a_frame(model, monkeypatch, end, frames):
    logits = model.logits
    monkeypatch.setattr(model, "logits", lambda hidden: logits(hidden) + torch.nn.functional.one_hot(torch.tensor(0), 49) * end)
    codes, levels, ended = model.speak("no", 0, max_frames=5)
    assert len(codes) == len(levels) == frames and ended == (end > 0)
    assert levels.min() >= 0 and levels.max() < CODEC.acoustic_levels
