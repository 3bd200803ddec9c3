"""Stage `tokens`: everything that training reads, in one array file per part; stage `acoustics`: what the acoustic values mean.

In: a part of `script/`, `corpus/` or `heldout/`, with `codes.json`, and for speech `acoustics.npz`. Out, in
`tokens/<stage>-<part>.npz`: voice [utterances]; text tokens and `text_ends`; per frame its code, the place in the text that it
speaks (-1 in silence), and `frame_ends`. Speech adds acoustic values [frames, value_dim], and where the utterance lies in
`<stage>/<part>.pcm`: its first frame starts at sample `first`, its own samples are `begin` .. `end`, and silence is around them.
"""

import re

import numpy as np

from . import acoustics, lexicon
from . import codes as code_table
from .acoustics import VOICE_IDS
from .alphabet import spoken, tokens
from .corpus import entries, key, parsed
from .frames import Frames
from .home import eval_sentences
from .lexicon import ACCENTS
from .pitch import half_frames
from .sizes import FRAME_SAMPLES
from .teacher import VOICES

SPOKEN = ("values", "first", "begin", "end")
RARE, BESIDE = 10, "phones-"
FIT_FRAMES = 90_000  # two hours


def spans(text, pattern):
    return [(m.start(), m.end()) for m in re.finditer(pattern, text)]


def symbol_places(text, phonemes):
    """For each phoneme symbol the place in the text it stands for: word by word where both have the same words,
    else clause by clause, else in proportion."""
    for pattern, sounding in ((r"[^ ]+", r"[^ ]+"), (r"[^ -]+", r"[^ ]+"), (r"[^.,?!;:]+", r"[^.,?!;:]+")):
        words, sounds = spans(text, pattern), spans(phonemes, sounding)
        if len(words) == len(sounds):
            break
    else:
        words, sounds = [(0, len(text))], [(0, len(phonemes))]
    places = np.zeros(len(phonemes), dtype=np.float32)
    for (t0, t1), (p0, p1) in zip(words, sounds):
        places[p0:p1] = t0 + (np.arange(p1 - p0) + 0.5) / (p1 - p0) * (t1 - t0) - 0.5
    return places


def mixed(text, phonemes, share, rng, known=None):
    """The text with each word spoken (`alphabet`) instead of written with the chance `share`, and for each phoneme symbol its place
    in that. Of words that are not `known` one in `RARE` of these is. A text whose words are not those of its phonemes one by one
    stays written; they are divided by blanks, or by hyphens too."""
    sounds = phonemes.split(" ")
    for division in ("( )", "([ -])"):
        words, gaps = (re.split(division, text)[i::2] for i in (0, 1))
        if len(words) == len(sounds):
            break
    else:
        return text, symbol_places(text, phonemes)
    made, places = "", []
    for word, sound, gap in zip(words, sounds, [*gaps, ""]):
        phones, (before, inside, after) = spoken(sound), re.fullmatch(r"(\W*)(.*?)(\W*)", word).groups()
        chance = share if known is None or inside in known else share / RARE
        first, said = len(made) + len(before), phones and rng.random() < chance
        length = len(phones if said else inside)
        made += before + (phones if said else inside) + after + gap
        part = (np.arange(len(sound)) + 0.5) / max(1, len(sound))
        places += [*(first + part * length - 0.5), first + length]  # a space is after the word
    return made, np.array(places[:-1], np.float32)


def cut(pcm, start, count):
    """`count` samples from `start` on, float in [-1, 1]; silence where `pcm` does not reach."""
    before, after = max(0, -start), max(0, start + count - len(pcm))
    inside = pcm[max(0, start) : max(0, start + count)]
    return np.pad(inside.astype(np.float32) / 32_768, (min(before, count), min(after, count)))


def samples(folder, part):
    return np.memmap(folder / f"{part}.pcm", dtype="<i2", mode="r")


def fit(home, values):
    """Stage `acoustics`, on the first hours of the corpus; tables that are there only get what they lack of `values` in all."""
    table, folder = code_table.load(home), home.folder("corpus")

    def utterances():
        heard = 0
        for entry in entries(folder):
            if heard > FIT_FRAMES:
                break
            frames, pcm = Frames(entry), samples(folder, entry["part"])[entry["start"] : entry["start"] + entry["samples"]]
            codes = table.encode(frames)
            heard += len(codes)
            yield cut(pcm, frames.first_sample, len(codes) * FRAME_SAMPLES), codes, VOICE_IDS[entry["voice"]]

    fitted = acoustics.extend if (home.folder(".") / "acoustics.npz").exists() else acoustics.fit
    fitted(home, table, utterances(), values - acoustics.SPECTRUM)


def run(home, stage, part, phones=0.0, beside=False):
    """Stage `tokens` for one part. The share `phones` of the utterances have words given as phones: all of them, or some. With
    `beside` they are a part of their own, of the same utterances: stage `phones` learns one from the other."""
    folder, name = home.folder(stage), f"{part:03}"
    table = code_table.load(home)
    held_out = set() if stage == "heldout" else {key(s) for group in eval_sentences().values() for s in group}
    sounding, rng = stage != "script", np.random.default_rng(part)
    tables, pcm = (acoustics.load(home), samples(folder, name)) if sounding else (None, None)
    known = {accent: lexicon.load(home, accent) for accent in ACCENTS} if beside else {}
    made = {of_utterances: [] for of_utterances in ("text", "codes", "places", "voice", *SPOKEN * sounding)}
    for entry in parsed(folder / f"{name}.jsonl"):
        if key(entry["text"]) in held_out:
            continue
        frames, voice, text = Frames(entry), VOICE_IDS[entry["voice"]], entry["text"].lower()
        share = rng.choice((1.0, rng.random())) if rng.random() < phones else 0.0
        words = known.get(VOICES[entry["voice"]][1])
        if share:
            text, places = mixed(text, entry["phonemes"], share, rng, words)
        else:
            places = symbol_places(text, entry["phonemes"])
        codes = table.encode(frames)
        made["text"].append(np.array(tokens(text), dtype=np.uint16))
        made["codes"].append(codes)
        made["places"].append(np.array([places[o] if o >= 0 else -1 for o in frames.owners], dtype=np.float16))
        made["voice"].append(voice)
        if sounding:
            begin, end = entry["start"], entry["start"] + entry["samples"]
            columns = tables.columns(cut(pcm[begin:end], frames.first_sample, len(codes) * FRAME_SAMPLES))
            half_hz = half_frames(np.array(entry["pitch_hz"]), frames.first_sample, len(codes))
            made["values"].append(tables.values(columns, codes, table, voice, half_hz).astype(np.float16))
            for where, sample in (("first", begin + frames.first_sample), ("begin", begin), ("end", end)):
                made[where].append(sample)
    ends = {ending: np.cumsum([len(one) for one in made[of]]) for ending, of in (("text_ends", "text"), ("frame_ends", "codes"))}
    joined = {of: np.concatenate(made.pop(of)) for of in ("text", "codes", "places", "values") if of in made}
    rest = {of: np.array(values, dtype=np.uint8 if of == "voice" else np.int64) for of, values in made.items()}
    np.savez(home.folder("tokens") / f"{BESIDE if beside else ''}{stage}-{name}.npz", **ends, **joined, **rest)
    home.log(f"tokens: {stage} {name}, {len(rest['voice'])} utterances, {len(joined['codes']) / 45_000:.2f} h")
