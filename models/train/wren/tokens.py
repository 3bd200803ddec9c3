"""Stage `tokens`: everything the language model reads, in one array file per part.

In: `script/`, `sketch/` and `corpus/` with `codes.json`, and for the corpus `acoustics.npz`. Out: `tokens/<stage>-<part>.npz` with
text bytes, codes, the text position each frame speaks (-1 in silence) and, but for the script, acoustic levels.
"""

import re

import numpy as np

from . import acoustics
from . import codes as code_table
from .acoustics import VOICE_IDS, levels
from .corpus import entries, key
from .frames import Frames
from .home import eval_sentences
from .sizes import CodecSizes
from .train_codec import Speech


def spans(text, pattern):
    return [(m.start(), m.end()) for m in re.finditer(pattern, text)]


def symbol_places(text, phonemes):
    """For each phoneme symbol the place in the text it stands for: word by word where both have the same words,
    else clause by clause, else in proportion."""
    for pattern in (r"[^ ]+", r"[^.,?!;:]+"):
        words, sounds = spans(text, pattern), spans(phonemes, pattern)
        if len(words) == len(sounds):
            break
    else:
        words, sounds = [(0, len(text))], [(0, len(phonemes))]
    places = np.zeros(len(phonemes), dtype=np.float32)
    for (t0, t1), (p0, p1) in zip(words, sounds):
        places[p0:p1] = t0 + (np.arange(p1 - p0) + 0.5) / (p1 - p0) * (t1 - t0) - 0.5
    return places


def sketched(folder, entry):
    """Levels [frames, acoustic_dim] of one line."""
    dim = CodecSizes().acoustic_dim
    path = folder / f"{entry['part']}.levels"
    return np.fromfile(path, np.uint8, entry["frames"] * dim, offset=entry["start"] * dim).reshape(-1, dim)


def run(home, stage):
    codes = code_table.load(home)
    held_out = {key(s) for group in eval_sentences().values() for s in group}
    speech = Speech(home, codes, acoustics.load(home)) if stage == "corpus" else None
    parts, seen = {}, -1
    for entry in entries(home.folder(stage)):
        seen += 1
        if speech is not None and seen >= len(speech.clips):
            break
        if key(entry["text"]) in held_out:
            continue
        frames = Frames(entry)
        text = entry["text"].lower()
        places = symbol_places(text, entry["phonemes"])
        made = parts.setdefault(entry["part"], {name: [] for name in ("text", "codes", "places", "levels", "voice")})
        made["text"].append(np.frombuffer(text.encode(), dtype=np.uint8))
        made["codes"].append(codes.encode(frames))
        made["places"].append(np.array([places[o] if o >= 0 else -1 for o in frames.owners], dtype=np.float16))
        made["voice"].append(VOICE_IDS[entry["voice"]])
        if speech is not None:
            made["levels"].append(levels(speech.clips[seen].values))
        elif stage == "sketch":
            made["levels"].append(sketched(home.folder(stage), entry))
    for part, made in parts.items():
        arrays = {
            "voice": np.array(made["voice"], dtype=np.uint8),
            "text_ends": np.cumsum([len(t) for t in made["text"]]),
            "frame_ends": np.cumsum([len(c) for c in made["codes"]]),
        }
        for name in ("text", "codes", "places", "levels"):
            if made[name]:
                arrays[name] = np.concatenate(made[name])
        np.savez(home.folder("tokens") / f"{stage}-{part}.npz", **arrays)
        home.log(f"tokens: {stage} {part}, {len(made['voice'])} utterances, {arrays['frame_ends'][-1] / 45_000:.2f} h")
