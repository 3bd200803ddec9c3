"""Letters and phones are told apart, make one token each, and lie where the phones they stand for are heard."""

import base64
import json

import numpy as np
import torch
from voxtral_ref import Tokenizer

from wren import alphabet, export
from wren.g2p import vocabulary
from wren.language import Language, text_tokens
from wren.sizes import CodecSizes, LanguageSizes, StackSizes
from wren.teacher import VOICES
from wren.tokens import mixed, symbol_places

TEXT, PHONEMES = "two cats, now!", "tˈu kˈæts, nˈW!"


def test_every_sounding_symbol_of_the_teacher_is_in_the_alphabet_once():
    silent = set(' ;:,.!?—…"()“”↓→↗↘')
    assert set(vocabulary()) - silent <= set(alphabet.PHONES)
    assert len(set(alphabet.PHONES)) == len(alphabet.PHONES) and len(set(alphabet.ENTRIES)) == len(alphabet.ENTRIES)


def test_a_phone_is_one_token_and_no_letter():
    word = alphabet.spoken("tˈu,")
    assert len(word) == len(alphabet.tokens(word)) == 3 and min(alphabet.tokens(word)) >= 256
    assert alphabet.tokens("To") == [ord("t"), ord("o")]
    assert alphabet.text(alphabet.tokens(word + " o")) == word + " o"


def test_the_format_s_tokeniser_reads_the_same_tokens(codes, tmp_path):
    tiny = StackSizes(dim=64, n_layers=1, head_dim=32, n_heads=2, hidden_dim=64)
    language = Language(codes, len(VOICES), LanguageSizes(backbone=tiny, flow=tiny), CodecSizes())
    (tmp_path / "tekken.json").write_text(json.dumps(export.tekken(language)))
    text = f"say {alphabet.spoken('təmˈAtˌO')}, or tomato."
    assert Tokenizer(tmp_path / "tekken.json").encode(text) == text_tokens(text, language.sizes)
    first = base64.b64decode(export.tekken(language)["vocab"][256]["token_bytes"])
    assert first == alphabet.STARTS[0]


def test_a_text_is_written_spoken_or_both_and_keeps_its_marks():
    rng = np.random.default_rng(1)
    assert mixed(TEXT, PHONEMES, 0.0, rng)[0] == TEXT
    said, _ = mixed(TEXT, PHONEMES, 1.0, rng)
    assert said == f"{alphabet.spoken('tˈu')} {alphabet.spoken('kˈæts')}, {alphabet.spoken('nˈW')}!"
    seen = {mixed(TEXT, PHONEMES, 0.5, rng)[0] for _ in range(200)}
    assert len(seen) == 8


def test_phones_lie_at_their_own_tokens_and_letters_where_they_lay_before():
    rng = np.random.default_rng(1)
    said, places = mixed(TEXT, PHONEMES, 1.0, rng)
    heard = [said[int(np.rint(place))] for place, symbol in zip(places, PHONEMES) if symbol == "æ"]
    assert heard == [alphabet.spoken("æ")]
    written = mixed(TEXT, PHONEMES, 0.0, rng)[1]
    assert len(written) == len(PHONEMES) == len(places)
    heard = np.array([symbol != " " for symbol in PHONEMES])  # a space belongs to its neighbours
    np.testing.assert_allclose(written[heard], symbol_places(TEXT, PHONEMES)[heard], atol=1.0)
    assert (np.diff(places) > -1).all()


def test_words_run_together_by_the_phonemiser_stay_written():
    text, places = mixed("out of the box", "ˈWTəv ðə bˈɑks", 1.0, np.random.default_rng(1))
    assert text == "out of the box" and len(places) == len("ˈWTəv ðə bˈɑks")


def test_a_language_model_has_a_row_for_every_token():
    assert LanguageSizes().vocabulary == LanguageSizes().n_special_tokens + len(alphabet.ENTRIES)
    assert torch.tensor(text_tokens(alphabet.spoken(alphabet.PHONES[-1]), LanguageSizes())).max() == LanguageSizes().vocabulary - 1
