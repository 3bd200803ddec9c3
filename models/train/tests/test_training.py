"""A stage stopped at a step goes on as if it had not been stopped; the judge counts words, not spellings."""

import pytest
import torch

from wren.checkpoint import Schedule, State, adamw, load_average
from wren.judge import words
from wren.muon import Muon, orthogonal
from wren.tokens import symbol_places


def small(path):
    torch.manual_seed(3)
    model = torch.nn.Linear(4, 4)
    return State(path, model, adamw(model.parameters(), 0.1, (0.9, 0.99), 0.01))


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


def test_the_learning_rate_rises_holds_and_falls():
    schedule = Schedule(minutes=10, decay_minutes=4, peak=1.0, warmup_steps=10)
    assert schedule.rate(0, 0.01) == pytest.approx(0.1)
    assert schedule.rate(500, 5.9) == 1.0
    assert schedule.rate(600, 8) == pytest.approx(0.5)
    assert schedule.rate(700, 9.99) == pytest.approx(0.02)
    assert Schedule(10, 0, 1.0, 10).rate(700, 9.99) == 1.0


def test_matrices_of_any_shape_are_made_orthogonal_up_to_the_method_s_error():
    for shape in ((3, 64, 32), (2, 32, 64), (1, 48, 48)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)).float())
        assert values.min() > 0.3 and values.max() < 1.3


def test_a_matrix_moves_as_if_it_were_alone_in_its_group():
    torch.manual_seed(5)
    start, gradients = torch.randn(2, 8, 6), torch.randn(3, 2, 8, 6)

    def after(members):
        matrices = [torch.nn.Parameter(start[i].clone()) for i in members]
        muon = Muon(matrices, 0.1, 0.02)
        for gradient in gradients:
            for i, matrix in zip(members, matrices):
                matrix.grad = gradient[i].clone()
            muon.step()
        return matrices[-1].detach()

    torch.testing.assert_close(after([0, 1]), after([1]), rtol=1e-2, atol=1e-2)
    assert (after([1]) - start[1]).abs().max() > 0.05


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
