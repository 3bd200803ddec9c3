"""Frames of an utterance named by the phones they hold.

In: phoneme symbols with durations in 25 ms units. Out: per 80 ms frame the phones of its two halves, the symbol it belongs to,
and where its audio lies. Rules, each checked against the energy of the teacher's speech: stress and length marks belong to
their vowel; a space is half its left and half its right neighbour; punctuation and the ends are silence, but the last unit
of the leading silence already sounds.

The teacher is heard 60 ms before its durations say so (there the phone of a moment explains most of its spectrum, in all four
voices), and a decoder that cannot look ahead needs a code a little early. One frame is best: of the spectrum's variance, 4.27,
the codes up to now leave 1.55 open without it and 0.98 with it.
"""

from collections import Counter

from .sizes import FRAME_SAMPLES, UNIT_SAMPLES

SILENCE = "_"
BEFORE = "ˈˌ"  # marks whose time belongs to the symbol after them
AFTER = "ːʲʰ̩̃"  # and before them
PUNCTUATION = '.,?!;:-—…"()“”'
UNIT_TICKS, HALF_TICKS = 5, 8  # 25 ms and 40 ms in ticks of 5 ms
LEAD_UNITS, TAIL_FRAMES = 1, 2
AHEAD_SAMPLES = FRAME_SAMPLES


def units(phonemes, durations):
    """One phone per 25 ms, and for each the index of its symbol (-1 in silence)."""
    symbols = SILENCE + phonemes + SILENCE
    if len(symbols) != len(durations):
        raise ValueError(f"{len(durations)} durations for {len(symbols)} symbols of '{phonemes}'")
    phones, owner = list(symbols), list(range(-1, len(symbols) - 1))
    for i, symbol in enumerate(symbols):
        if symbol in PUNCTUATION or i == len(symbols) - 1:
            phones[i], owner[i] = SILENCE, -1
    for i in range(len(symbols) - 2, 0, -1):
        if symbols[i] in BEFORE:
            phones[i], owner[i] = phones[i + 1], owner[i + 1]
    for i in range(1, len(symbols) - 1):
        if symbols[i] in AFTER:
            phones[i], owner[i] = phones[i - 1], owner[i - 1]
    stream = []
    for i, length in enumerate(durations):
        if phones[i] == " ":
            first = length // 2
            stream += [(phones[i - 1], owner[i - 1])] * first + [(phones[i + 1], owner[i + 1])] * (length - first)
        elif i == 0 and length:
            stream += [(SILENCE, -1)] * (length - 1) + [(phones[1], owner[1])]
        else:
            stream += [(phones[i], owner[i])] * length
    return stream


def halves(stream):
    """The phone owning most of each 40 ms half. A phone too short to win anywhere takes the half where it is
    longest, if the loser also holds a neighbouring half: no phone disappears while its neighbour has room."""
    ticks = [item for item in stream for _ in range(UNIT_TICKS)]
    slots = [ticks[i : i + HALF_TICKS] for i in range(0, len(ticks), HALF_TICKS)]
    won = [Counter(slot).most_common(1)[0][0] for slot in slots]
    best = {}
    for i, slot in enumerate(slots):
        for item, count in Counter(slot).items():
            if item[1] >= 0 and count > best.get(item, (0, 0))[0]:
                best[item] = (count, i)
    for item, (_, i) in best.items():
        around = won[i - 1 : i] + won[i + 1 : i + 2]
        if item not in won and won[i] in around:
            won[i] = item
    return won


class Frames:
    """Frames of one utterance: phone pairs, the symbol each frame belongs to, and where its audio lies."""

    def __init__(self, entry):
        stream = units(entry["phonemes"], entry["durations"])
        voiced = [i for i, (_, owner) in enumerate(stream) if owner >= 0]
        if not voiced:
            raise ValueError(f"nothing is spoken in '{entry['text']}'")
        first_unit = max(0, voiced[0] - LEAD_UNITS)
        self.first_sample = first_unit * UNIT_SAMPLES - AHEAD_SAMPLES
        stream = stream[first_unit : voiced[-1] + 1]
        won = halves(stream)
        won += [(SILENCE, -1)] * (len(won) % 2 + 2 * TAIL_FRAMES)
        self.pairs = [(won[i][0], won[i + 1][0]) for i in range(0, len(won), 2)]
        self.owners = [max(won[i][1], won[i + 1][1]) for i in range(0, len(won), 2)]
