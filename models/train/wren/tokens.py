"""Stage `tokens`: everything the language model reads, in one array file per part.

In: `script/` and `corpus/` with `codes.json`, and for the corpus `codec.pt`. Out: `tokens/<stage>-<part>.npz` with
text bytes, codes, the text position each frame speaks (-1 in silence) and, for the corpus, acoustic levels.
"""

import re

import numpy as np
import torch

from . import codes as code_table
from .checkpoint import load_average
from .codes import Frames
from .corpus import entries, key
from .home import eval_sentences
from .sizes import FRAME_SAMPLES
from .train_codec import VOICE_IDS, Speech, Trained


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


def acoustics(codec, speech, index):
    """Acoustic levels [frames, acoustic_dim] of one utterance."""
    count = len(speech.clips[index][1])
    audio, _ = speech.cut(index, 0, count)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        _, values = codec.encode(torch.from_numpy(audio)[None])
    assert len(audio) == count * FRAME_SAMPLES
    return codec.levels(values[0]).to(torch.uint8).numpy()


def run(home, stage, threads):
    torch.set_num_threads(threads)
    codes = code_table.load(home)
    held_out = {key(s) for group in eval_sentences().values() for s in group}
    codec = speech = None
    if stage == "corpus":
        model = Trained(codes)
        step = load_average(home.folder("codec") / "codec.pt", model)
        codec, speech = model.codec, Speech(home, codes)
    parts, seen = {}, -1
    for entry in entries(home.folder(stage)):
        if speech is not None:
            seen += 1
            if seen >= len(speech.clips):
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
        if codec is not None:
            made["levels"].append(acoustics(codec, speech, seen))
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
        home.log(
            f"tokens: {stage} {part}, {len(made['voice'])} utterances, {arrays['frame_ends'][-1] / 45_000:.2f} h"
            + (f", codec step {step}" if codec else "")
        )
