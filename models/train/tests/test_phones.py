"""Phones begin as letters, and are learnt from the same utterances in letters, fed the same."""

import numpy as np
import pytest
import torch
from test_language import CODEC, CORPUS, SCRIPT, STACK, write

from wren import train_phones
from wren.alphabet import CHARACTERS, TOKENS, spoken, tokens
from wren.home import Home
from wren.language import Language
from wren.sizes import LanguageSizes
from wren.tokens import BESIDE
from wren.train_phones import begin, in_letters, losses, lower, optimiser_of, weights_of
from wren.utterances import Utterances

STAGES = ("corpus", "script")


@pytest.fixture
def model(codes):
    return Language(codes, 4, LanguageSizes(backbone=STACK, flow=STACK), CODEC).eval()


@pytest.fixture
def data(model, tmp_path):
    home = Home(tmp_path)
    sound = {"values": CODEC.values(np.arange(3, 7)[:, None].repeat(CODEC.value_dim, 1)).astype(np.float16)}
    for stage, items in (("corpus", CORPUS), ("script", SCRIPT)):
        write(home.folder("tokens"), stage, items, **(sound if stage == "corpus" else {}))
        longer = [(text + "abcdefg", codes, places) for text, codes, places in items]
        write(home.folder("tokens"), BESIDE + stage, longer, **(sound if stage == "corpus" else {}))
    return Utterances(home, [*STAGES, *(BESIDE + stage for stage in STAGES)], model)


def test_a_phone_begins_as_the_letters_that_write_it(model):
    begin(model)
    rows, special = model.tok_embeddings.weight, model.sizes.n_special_tokens
    of = {phone: rows[special + TOKENS[character]] for phone, character in CHARACTERS.items()}
    letter = {letter: rows[special + tokens(letter)[0]] for letter in "kshaeiou"}
    torch.testing.assert_close(of["k"], letter["k"])
    torch.testing.assert_close(of["ʃ"], (letter["s"] + letter["h"]) / 2)
    torch.testing.assert_close(of["ˈ"], sum(letter[vowel] for vowel in "aeiou") / 10)
    assert len(spoken("ʃ")) == 1


def test_the_states_that_are_aimed_at_are_those_of_the_same_frames_in_letters(model, data, monkeypatch):
    twin = in_letters(data, BESIDE, STAGES)
    assert twin.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    monkeypatch.setattr(model, "logits", lambda hidden: torch.nn.functional.one_hot(torch.full(hidden.shape[:-1], 6), 50).float())
    written, in_phones = np.arange(4), np.arange(4, 8)
    for corrupt in (False, True):  # both are fed the same, or there would be a distance
        assert float(losses(model, model, data, twin, written, corrupt)[2]) == pytest.approx(0, abs=1e-6)
    assert float(losses(model, model, data, twin, in_phones)[2]) > 1e-3
    assert float(losses(model, model, data, twin, in_phones, pulled=False)[2]) == 0


def test_what_is_held_out_is_never_drawn_and_the_upper_half_never_changes(model, data, monkeypatch):
    monkeypatch.setattr(train_phones, "HELD_OUT", 1)
    weights = weights_of(data)
    assert (weights[[0, 2, 4, 6]] == 0).all() and weights.sum() == pytest.approx(1)
    assert weights[[5, 7]].sum() == pytest.approx(train_phones.PHONES_SHARE)
    changed = {id(p) for group in optimiser_of(model).param_groups for p in group["params"]}
    assert changed == {id(p) for p in (*lower(model).parameters(), model.tok_embeddings.weight)}
    assert len(lower(model)) == len(model.layers) // 2
