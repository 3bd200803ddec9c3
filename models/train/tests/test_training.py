"""A stage stopped at a step goes on as if it had not been stopped; the judge counts words, not spellings."""

import numpy as np
import pytest
import torch

from wren.checkpoint import State, load_average, rate
from wren.home import Home
from wren.judge import words
from wren.tokens import symbol_places
from wren.train_codec import DRAWN, drawn_values


def small(path):
    torch.manual_seed(3)
    model = torch.nn.Linear(4, 4)
    return State(path, model, torch.optim.AdamW(model.parameters(), lr=0.1))


def train(state, steps):
    for _ in range(steps):
        state.optimiser.zero_grad()
        (state.model(torch.randn(2, 4)) - 1).square().mean().backward()
        state.optimiser.step()
        state.advance()


def test_training_resumed_equals_training_never_stopped(tmp_path):
    whole = small(tmp_path / "whole.pt")
    train(whole, 8)
    first = small(tmp_path / "state.pt")
    train(first, 5)
    first.save()
    second = small(tmp_path / "state.pt")
    assert second.step == 5
    train(second, 3)
    torch.testing.assert_close(second.model.weight, whole.model.weight, rtol=0, atol=0)
    torch.testing.assert_close(second.average["weight"], whole.average["weight"], rtol=0, atol=0)


def test_evaluation_uses_the_averaged_weights(tmp_path):
    state = small(tmp_path / "state.pt")
    train(state, 30)
    state.save()
    model = torch.nn.Linear(4, 4)
    assert load_average(tmp_path / "state.pt", model) == 30
    torch.testing.assert_close(model.weight.detach(), state.average["weight"], rtol=0, atol=0)
    assert not torch.equal(model.weight, state.model.weight)


def test_what_the_flow_drew_is_told_apart_by_clip_and_absent_before_it_has(tmp_path):
    home = Home(tmp_path)
    assert drawn_values(home) == []
    levels = np.arange(6, dtype=np.uint8).reshape(3, 2) * 4
    np.savez(tmp_path / DRAWN, levels=levels, ends=np.array([1, 3]))
    first, second = drawn_values(home)
    np.testing.assert_allclose(first, [[-1.0, -0.6]], atol=1e-6)
    np.testing.assert_allclose(second, [[-0.2, 0.2], [0.6, 1.0]], atol=1e-6)


def test_the_learning_rate_rises_holds_and_falls():
    assert rate(0, 1.0, 10) == pytest.approx(0.1)
    assert rate(500, 1.0, 10) == 1.0
    assert rate(600, 1.0, 10, decay_from=500, decay_steps=200) == pytest.approx(0.5)
    assert rate(700, 1.0, 10, decay_from=500, decay_steps=200) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "heard, said",
    [
        ("It is 9:16.", "It is nine sixteen."),
        ("£18.60, please", "Eighteen pounds and sixty pence, please."),
        ("Turn right in 400 metres", "turn right in four hundred meters"),
        ("the 19th of February", "The nineteenth of February."),
        ("minus 4 degrees", "minus four degrees"),
        ("Gate B27", "gate b twenty-seven"),
        ("OK, 21%", "Okay, twenty-one percent."),
    ],
)
def test_the_judge_hears_words_not_spellings(heard, said):
    assert words(heard) == words(said)


def test_different_words_stay_different():
    assert words("turn left") != words("turn right")


def test_a_phoneme_stands_in_its_own_word():
    places = symbol_places("two cats", "tˈu kˈæts")
    assert all(0 <= p <= 2.5 for p in places[:3]) and all(3.5 <= p <= 7.5 for p in places[4:])


def test_words_run_together_by_the_phonemiser_keep_their_clause():
    places = symbol_places("out of the box, now", "ˈWTəv ðə bˈɑks, nˈW")
    assert places[:14].max() < 15 <= places[15:].min()
