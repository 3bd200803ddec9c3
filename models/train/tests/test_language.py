"""What the language model is asked for, and where it is told to look."""

import copy

import numpy as np
import pytest
import torch

from wren import drawn
from wren.home import Home
from wren.language import Language
from wren.sizes import CodecSizes, LanguageSizes, StackSizes
from wren.train_flow import known_values, states_of
from wren.train_flow import losses as velocity_losses
from wren.train_language import GUIDE_WIDTH, corrupted, embedded, flow_loss, guidance, losses, weights_of
from wren.utterances import IGNORED, LONGEST, Batch, Batches, Utterances

CODEC = CodecSizes(dim=64, hidden_dim=96, encoder_hidden_dim=64)
STACK = StackSizes(dim=64, n_layers=2, head_dim=32, n_heads=2, hidden_dim=96)
CORPUS = [("hi", [5, 6, 7], [0, 1, -1]), ("hello", [8], [2])]
SCRIPT = [("hi", [5, 6, 7], [0, 1, -1]), ("a", [1, 2], [0, 0])]


@pytest.fixture
def model(codes):
    return Language(codes, 4, LanguageSizes(backbone=STACK, flow=STACK), CODEC)


def write(folder, stage, items, **sound):
    text, codes, places = zip(*items)
    arrays = {
        "voice": np.ones(len(items), np.uint8),
        "text": np.frombuffer("".join(text).encode(), np.uint8),
        "text_ends": np.cumsum([len(t) for t in text]),
        "codes": np.concatenate(codes).astype(np.int16),
        "places": np.concatenate(places).astype(np.float16),
        "frame_ends": np.cumsum([len(c) for c in codes]),
    }
    np.savez(folder / f"{stage}-000.npz", **arrays, **sound)


@pytest.fixture
def data(model, tmp_path):
    """Utterances 0 and 1 with sound, whose levels count up from 3 in every frame; 2 and 3 without, 2 like 0 otherwise."""
    home = Home(tmp_path)
    levels = np.arange(3, 7)[:, None].repeat(CODEC.value_dim, 1)
    write(home.folder("tokens"), "corpus", CORPUS, values=CODEC.values(levels).astype(np.float16))
    write(home.folder("tokens"), "script", SCRIPT)
    return Utterances(home, ("corpus", "script"), model)


ALL, WIDTH = torch.arange(4), 32


def test_each_position_is_asked_for_the_frame_after_it_and_the_last_for_the_end(model, data):
    batch = data.batch(ALL, WIDTH)
    for (text, codes, places), targets, spoken in zip(CORPUS + SCRIPT, batch.targets, batch.places):
        asked = slice(model.prompt_length(len(text)) - 1, model.prompt_length(len(text)) + len(codes))
        assert targets[asked].tolist() == [c + 1 for c in codes] + [0]
        assert spoken[asked].tolist() == [*places, -1]
        assert (targets == IGNORED).sum() == (spoken == -1).sum() - 1 - places.count(-1) == WIDTH - len(codes) - 1


def test_a_model_hears_the_prompt_then_the_frames_that_it_made(model, data):
    x = embedded(model, data.batch(ALL, WIDTH))
    for (text, codes, _), heard in zip(SCRIPT, x[2:]):
        made = torch.cat([model.prompt([64 + byte for byte in text.encode()], 1), model.frame_rows(torch.tensor(codes))])
        torch.testing.assert_close(heard[: len(made)], made)


def test_a_spoken_frame_is_fed_back_with_its_sound_and_a_scripted_one_has_none(model, data):
    batch = data.batch(ALL, WIDTH)
    x, start = embedded(model, batch), model.prompt_length(2)
    levels = torch.arange(3, 6)[:, None].expand(-1, CODEC.value_dim)
    torch.testing.assert_close((x[0] - x[2])[start : start + 3], model.sound_rows(levels))
    torch.testing.assert_close(model.sound_rows(levels), model.acoustic(levels + model.offsets).sum(1))
    assert batch.audible.tolist() == [True, True, False, False]
    assert (batch.levels[0, start : start + 3] == levels).all() and (batch.levels[1, model.prompt_length(5)] == 6).all()


def test_what_is_fed_back_is_corrupted_but_no_prompt_is(model, data):
    batch, start = data.batch(torch.zeros(64, dtype=torch.long), WIDTH), model.prompt_length(2)
    changed = (embedded(model, corrupted(model, batch)) - embedded(model, batch)).abs().amax((0, 2)) > 1e-4
    assert changed.nonzero().flatten().tolist() == list(range(start, start + 3))


@torch.no_grad()
def test_padding_and_company_change_no_loss(model, data):
    for i in ALL:
        narrow, wide = (losses(model, data, i[None], width, corrupt=False) for width in (26, 64))
        for part in (0, 1, 3):  # the flow's is drawn by lot
            torch.testing.assert_close(narrow[part], wide[part], rtol=2e-3, atol=2e-3)
    apart = [losses(model, data, i[None], WIDTH, corrupt=False)[0] * n for i, n in zip(ALL, (4, 2, 4, 3))]
    together = losses(model, data, ALL, WIDTH, corrupt=False)[0]
    torch.testing.assert_close(together, sum(apart) / 13, rtol=2e-3, atol=2e-3)


def test_without_sound_there_is_no_flow_to_learn(model, data):
    _, _, flow, _ = losses(model, data, ALL[2:], WIDTH)
    flow.backward()
    assert flow == 0 and all(p.grad is None or (p.grad == 0).all() for p in model.flow.parameters())


def test_guidance_is_least_where_the_letter_is_spoken():
    first, width = 4, 16
    places = torch.full((1, width), -1.0)
    places[0, 12] = 3.0
    batch = Batch(torch.zeros(1, width), None, places, None, None, None, None, torch.tensor([6]))
    found = []
    for seen in range(width):
        attention = torch.full((1, width, width), -20.0)
        attention[0, 12, seen] = 0.0
        found.append(float(guidance([attention], batch, first)))
    assert int(np.argmin(found)) == first + 3
    assert found[first + 4] == pytest.approx(1 / (2 * GUIDE_WIDTH**2), abs=1e-3)
    assert found[first + 7] > 15, "beyond the text there is no reward"


def test_flow_loss_sees_the_states_before_audible_frames_and_their_values(model, data):
    batch = data.batch(ALL, 64)
    hidden = torch.randn(4, 64, STACK.dim, requires_grad=True)
    heard = []
    model.flow.register_forward_pre_hook(lambda _, given: heard.append(given))
    flow_loss(model, hidden, batch).backward()
    used = {(b, p) for b, p in hidden.grad.abs().sum(-1).nonzero().tolist()}
    starts = [model.prompt_length(len(text)) - 1 for text, _, _ in CORPUS]
    assert used == {(0, starts[0]), (0, starts[0] + 1), (0, starts[0] + 2), (1, starts[1])}
    mixed, moment, states = heard[0]
    late = moment > 0.9  # where hardly any noise is left
    values = {i: CODEC.values(3.0 + i) for i in range(4)}
    for i, place in enumerate([(0, starts[0]), (0, starts[0] + 1), (0, starts[0] + 2), (1, starts[1])]):
        mine = late & (states == hidden[place]).all(1)
        assert not mine.any() or abs(float(mixed[mine].mean()) - values[i]) < 0.15


def test_the_flow_draws_a_value_for_every_frame(model, data):
    made = drawn.draw(model, data, np.array([1, 0]))
    assert made.shape == (4, CODEC.value_dim) and made.dtype == np.uint8 and made.max() < CODEC.acoustic_levels


@torch.no_grad()
def test_the_state_before_each_true_frame_is_the_one_that_training_reads_there(model, data):
    batch = data.batch(ALL, WIDTH)
    hidden, _ = model.backbone(embedded(model, batch))
    levels = torch.arange(3, 6)[:, None].repeat(1, CODEC.value_dim)
    states = model.states("hi", 1, torch.tensor([5, 6, 7]), levels)
    torch.testing.assert_close(states, hidden[0][batch.targets[0] > 0])


def test_batches_are_few_shapes_and_draw_each_utterance_as_often_as_asked():
    rng = np.random.default_rng(5)
    lengths = np.append(rng.integers(40, 500, 300), LONGEST + 1)
    weights = np.append(np.repeat([0.0, 1.0, 3.0], 100), 1.0)
    batches = Batches(lengths, weights, 2000)
    times, shapes = np.zeros(len(lengths)), set()
    for _ in range(3000):
        ids, positions = batches.draw(rng)
        assert lengths[ids].max() <= len(positions)
        shapes.add((len(ids), len(positions)))
        np.add.at(times, ids.numpy(), 1)
    assert len(shapes) <= 10 and len({width for _, width in shapes}) == len(shapes)
    assert times[:100].sum() == 0 and times[-1] == 0
    assert times[200:300].sum() / times[100:200].sum() == pytest.approx(3, rel=0.1)
    long = lengths[200:300] > 300
    assert times[200:300][long].mean() == pytest.approx(times[200:300][~long].mean(), rel=0.1)


def test_the_first_utterances_of_each_stage_are_never_learnt(data):
    assert weights_of(data, 0.3).tolist() == [0, 0, 0, 0], "both stages are shorter than what is kept back"


def test_what_is_drawn_lies_in_the_order_of_the_corpus_as_far_as_it_was_asked_for(model, data, tmp_path, monkeypatch):
    def numbered(model, data, ids):
        return np.concatenate([np.full((len(CORPUS[i][1]), CODEC.value_dim), i) for i in ids])

    monkeypatch.setattr(drawn, "untrained", lambda home: model)
    monkeypatch.setattr(drawn, "load_average", lambda path, model: 0)
    monkeypatch.setattr(drawn, "draw", numbered)
    for hours, frames in ((None, [0, 0, 0, 1]), (3 / drawn.FRAMES_PER_HOUR, [0, 0, 0])):
        drawn.run(Home(tmp_path), hours)
        with np.load(tmp_path / "drawn.npz") as made:
            assert made["levels"][:, 0].tolist() == frames and made["utterances"] == len(set(frames))


@pytest.mark.parametrize("end, frames", [(1e3, 1), (-1e3, 5)])
def test_speaking_stops_at_the_end_code_but_never_before_a_frame(model, monkeypatch, end, frames):
    logits = model.logits
    monkeypatch.setattr(model, "logits", lambda hidden: logits(hidden) + torch.nn.functional.one_hot(torch.tensor(0), 49) * end)
    codes, levels, ended = model.speak("no", 0, max_frames=5)
    assert len(codes) == len(levels) == frames and ended == (end > 0)
    assert levels.min() >= 0 and levels.max() < CODEC.acoustic_levels


def test_the_flow_learns_from_the_state_before_a_frame_and_the_frame_s_own_values(model, data):
    states, values = states_of(model, data, np.array([0, 1]), corrupt=False)
    rows = {len(text): codes for text, codes, _ in CORPUS}
    assert len(states) == len(values) == sum(len(codes) for codes in rows.values())
    by_length = [CODEC.values(torch.tensor(level)) for level in (3.0, 4.0, 5.0, 6.0)]
    assert sorted(values[:, 0].tolist()) == pytest.approx(sorted(float(v) for v in by_length))
    text, codes, _ = CORPUS[0]
    levels = torch.arange(3, 6)[:, None].expand(-1, CODEC.value_dim)
    wanted = model.states(text, 1, torch.tensor(codes), levels)
    nearest = torch.cdist(wanted, states).min(1)
    torch.testing.assert_close(nearest.values, torch.zeros(3), rtol=0, atol=1e-3)
    torch.testing.assert_close(values[nearest.indices], model.codec.values(levels.float()))


def test_known_values_keep_their_velocity_and_new_ones_are_learnt_from_speech(model):
    with torch.no_grad():
        model.flow.acoustic_codebook_output.weight[15:] = 0
    assert known_values(model.flow) == 15
    states, values = torch.randn(30, STACK.dim), torch.rand(30, CODEC.value_dim) * 2 - 1
    old, new = velocity_losses(model.flow, 15, copy.deepcopy(model.flow), states, values)
    assert old.item() == 0 and new.item() > 0.3
