"""A lexicon's words are said as the teacher would, and what a lexicon cannot know is left to letters."""

import json
import random
import tomllib

import numpy as np
import pytest

from wren import export, lexicon, prose
from wren.alphabet import IPA, ipa, spoken
from wren.frames import SILENCE
from wren.home import Home
from wren.sentences import Salad, common
from wren.tokens import mixed
from wren.warm import TABLES


@pytest.fixture
def dictionaries(tmp_path, monkeypatch):
    gold = {"cat": "kˈæt", "bat": "bˈæt", "read": {"DEFAULT": "ɹˈid", "VBD": "ɹˈɛd"}, "that": {"DEFAULT": "ðæt", "DT": "ðˈæt"}}
    gold |= {"polish": "pˈɑlɪʃ", "Polish": "pˈOlɪʃ", "water": "wˈɔɾəɹ", "the": "ði", "IT": "ˈIt", "plan": "plˈæn", "fuss": "fˈʌs"}
    for accent in lexicon.ACCENTS:
        for grade, words in (("gold", gold), ("silver", {"Rome": "ɹˈOm", "cat": "kˈɑt"})):
            (tmp_path / f"{accent}_{grade}.json").write_text(json.dumps(words))
    monkeypatch.setattr(lexicon.resources, "files", lambda _: tmp_path)


def test_words_that_sound_by_their_place_are_left_to_letters(dictionaries):
    words = lexicon.build("us")
    assert words["cat"] == "kˈæt" and words["rome"] == "ɹˈOm" and words["that"] == "ðæt"
    assert words["water"] == "wˈɔTəɹ", "in the teacher's symbols"
    assert not {"read", "polish", "the", "it"} & set(words)


def test_regular_inflections_sound_as_their_stems(dictionaries):
    made = lexicon.build("us", ["cats", "cat's", "planned", "planning", "fusses", "batting", "dogs", "reads"])
    assert (made["cats"], made["cat's"], made["fusses"]) == ("kˈæts", "kˈæts", "fˈʌsᵻz")
    assert (made["planned"], made["planning"], made["batting"]) == ("plˈænd", "plˈænɪŋ", "bˈæTɪŋ")
    assert "dogs" not in made and "reads" not in made
    assert lexicon.build("gb", ["fusses"])["fusses"] == "fˈʌsɪz"


def test_phones_are_written_in_one_alphabet_and_each_is_in_the_pack_s_page():
    assert ipa("ʧˈAnʤ T") == "ʧˈeɪnʤɾ"
    heard = {phone for pair in json.loads((TABLES / "codes.json").read_text()) for phone in pair} - {SILENCE}
    assert len({IPA[phone] for phone in heard}) == len(heard)
    page = tomllib.loads(export.text_page(["us", "gb"], heard))["text"]
    assert page["phones"]["ɾ"] == spoken("T") and page["phones"]["eɪ"] == spoken("A") and page["phones"]["ɚ"] == spoken("əɹ")
    assert {page["phones"][IPA[phone]] for phone in heard} == {spoken(phone) for phone in heard}
    assert "χ" not in page["phones"], "what it never heard is no phone of it"
    assert page["lexicons"][1] == {"file": "gb.lexicon", "voices": ["gb-female", "gb-male"]}
    assert export.text_page([], heard) == ""


def test_words_divided_by_hyphens_are_mixed_one_by_one_and_rare_ones_seldom():
    rng = np.random.default_rng(1)
    text, phonemes = "sea-air, oddly", "sˈi ˈɛɹ, ˈɑdli"
    said, places = mixed(text, phonemes, 1.0, rng, {"sea", "air"})
    assert "-" in said and len(places) == len(phonemes)
    seen = [mixed(text, phonemes, 1.0, rng, {"sea", "air"})[0].endswith("oddly") for _ in range(200)]
    assert 150 < sum(seen) < 200


def test_prose_is_what_can_be_said_once_and_not_what_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(prose, "eval_sentences", lambda: {"prose": ["He kept this one for the judge."]})
    page = "<html><body><p>It has 3 parts (two of them new). He kept this one for the judge.</p><p>Use foo_bar now, please!</p>"
    (tmp_path / "a.html").write_text(page + "<pre>This is not a sentence.</pre><p>It has 3 parts (two of them new).</p>")
    home = Home(tmp_path / "home")
    prose.run(home, "a", [tmp_path / "a.html"], 10)
    assert (home.folder("prose") / "a.txt").read_text() == "It has three parts, two of them new.\n"


def test_a_salad_has_every_common_word_and_no_other():
    texts = ["The cat saw the bat. The cat ran.", "A bat hid."]
    words = common(texts, [{"cat": "", "bat": "", "ran": ""}, {"cat": "", "bat": ""}], 5)
    assert words == ["cat", "bat"]
    salad = Salad(random.Random(1), words)
    said = {word for _ in range(50) for word in salad.sentence().lower().replace(",", "").split()}
    assert {"cat", "bat"} <= {word.strip(".?;") for word in said}
