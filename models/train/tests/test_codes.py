"""Frames are named after the phones that are heard in them."""

from wren.frames import AHEAD_SAMPLES, LEAD_UNITS, SILENCE, TAIL_FRAMES, Frames, halves, units
from wren.sizes import UNIT_SAMPLES


def entry(phonemes, durations):
    return {"text": phonemes, "phonemes": phonemes, "durations": durations}


def phones(stream):
    return "".join(phone for phone, _ in stream)


def test_stress_and_length_belong_to_their_vowel():
    stream = units("pˈɑːt", [1, 1, 2, 1, 3, 1, 1])
    assert phones(stream) == "p" + "p" + "ɑ" * 6 + "t" + SILENCE


def test_a_space_is_shared_by_its_neighbours():
    assert phones(units("s t", [2, 1, 4, 1, 1])) == SILENCE + "s" + "sss" + "tt" + "t" + SILENCE


def test_punctuation_is_silent_and_belongs_to_nothing():
    stream = units("p, t", [1, 1, 3, 2, 1, 1])
    assert phones(stream) == "p" + "p" + SILENCE * 3 + SILENCE + "t" + "t" + SILENCE
    assert [owner for phone, owner in stream if phone == SILENCE] == [-1] * 5


def test_a_short_phone_keeps_a_half_while_its_neighbour_has_another():
    stream = units("sts", [1, 4, 1, 4, 0])
    assert "t" in phones(halves(stream))


def test_an_utterance_starts_soon_and_ends_in_silence():
    frames = Frames(entry("pɑ.", [20, 3, 6, 9, 5]))
    assert frames.first_sample == (20 - 1 - LEAD_UNITS) * UNIT_SAMPLES - AHEAD_SAMPLES
    assert frames.pairs[-TAIL_FRAMES:] == [(SILENCE, SILENCE)] * TAIL_FRAMES
    assert frames.pairs[-TAIL_FRAMES - 1] != (SILENCE, SILENCE)


def test_a_pair_without_a_code_takes_the_nearest_one(codes):
    assert codes.pairs[codes["t", "p"]] in {("p", "p"), ("t", "t"), ("p", "t")}
    assert codes.pairs[codes["p", "ɑ"]] == ("p", "ɑ")
