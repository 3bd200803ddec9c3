"""Stage `corpus`: utterances spoken by the teacher; `script`: the same without audio, durations alone;
`heldout`: the sentences kept for evaluation, each in one voice, spoken by the teacher and never trained on.

In: sentences. Out: `corpus/<part>.jsonl`, one line per utterance {text, voice, phonemes, durations, start, samples, quarters,
pitch_hz, shaken},
with 16-bit 24 kHz samples in `corpus/<part>.pcm`; or `script/<part>.jsonl` without the last five. Both files only
grow, and a stage started again goes on where the last whole line ended.
"""

import json
import time
import zlib

import numpy as np

from .frames import Frames
from .g2p import ACCENTS, Phonemes
from .home import eval_sentences
from .pitch import snapped
from .sentences import Script
from .teacher import MAX_SYMBOLS, UNIT_SAMPLES, VOICES, Teacher

BATCH = 64
SHAKEN_ONE_IN = 4
DEFINITIONS_SHARE = {"corpus": 0.25, "script": 0.65}


def key(text):
    """What makes two sentences the same sentence."""
    return "".join(c for c in text.lower() if c.isalpha() or c == " ").strip()


def held_out_requests():
    """The held-out sentences, kinds mixed, voices in turn."""
    phonemes = {accent: Phonemes(accent) for accent in ACCENTS}
    groups = eval_sentences().values()
    mixed = [group[i] for i in range(max(map(len, groups))) for group in groups if i < len(group)]
    for i, text in enumerate(mixed):
        voice = list(VOICES)[i % len(VOICES)]
        yield text, voice, phonemes[VOICES[voice][1]]([text])[0]


def requests(seed, stage):
    """Endless (text, voice, phonemes); held-out sentences never come out."""
    held_out = {key(s) for group in eval_sentences().values() for s in group}
    script = Script(seed, DEFINITIONS_SHARE[stage])
    phonemes = {accent: Phonemes(accent) for accent in ACCENTS}
    voices = list(VOICES)
    while True:
        drawn = [(script.utterance(), script.rng.choice(voices)) for _ in range(BATCH)]
        drawn = [(text, voice) for text, voice in drawn if key(text) not in held_out]
        spoken = {}
        for accent in ACCENTS:
            mine = [text for text, voice in drawn if VOICES[voice][1] == accent]
            spoken.update(zip(((t, accent) for t in mine), phonemes[accent](mine)))
        for text, voice in drawn:
            symbols = spoken[text, VOICES[voice][1]]
            if 1 <= len(symbols) <= MAX_SYMBOLS:
                yield text, voice, symbols


def entries(folder):
    """Every utterance of every part in the folder, with its part's name."""
    for path in sorted(folder.glob("*.jsonl")):
        with open(path) as file:
            for line in file:
                if not line.endswith("\n"):
                    break
                yield json.loads(line) | {"part": path.stem}


def speak(teacher, entry):
    """The utterance's audio; its durations, phase and pitch go into the entry. One in four is shaken (see `snapped`)."""
    entry["shaken"] = zlib.crc32(entry["text"].encode()) % SHAKEN_ONE_IN == 0
    shake = np.random.default_rng(len(entry["text"])) if entry["shaken"] else None

    def phase(pitch_hz, durations):
        entry["durations"] = durations.tolist()
        frames = Frames(entry)
        turns, quarters, mean_hz = snapped(pitch_hz, frames.first_unit * UNIT_SAMPLES, len(frames.pairs), shake)
        entry["quarters"], entry["pitch_hz"] = quarters.tolist(), np.rint(mean_hz).astype(int).reshape(-1).tolist()
        return turns

    return teacher.speak(entry["phonemes"], entry["voice"], phase)[0]


def run(home, stage, part, hours):
    """Extend one part until it holds `hours` of speech. A part's number is its seed: parts may run side by side."""
    folder, with_audio = home.folder(stage), stage != "script"
    index, samples = folder / f"{part:03}.jsonl", folder / f"{part:03}.pcm"
    lines = []
    if index.exists():
        lines = [line for line in index.read_text().splitlines(keepends=True) if line.endswith("\n")]
        index.write_text("".join(lines))
    done = len(lines)
    units = sum(sum(json.loads(line)["durations"]) for line in lines)
    seed = part if with_audio else 100_000 + part
    source = held_out_requests() if stage == "heldout" else requests(seed, stage)
    for _ in range(done):
        next(source)
    end = json.loads(lines[-1])["start"] + json.loads(lines[-1])["samples"] if lines and with_audio else 0
    if with_audio:
        samples.touch()
        with open(samples, "r+b") as file:
            file.truncate(2 * end)
    teacher = Teacher(home, with_audio)
    began, made = time.time(), 0.0
    with open(index, "a") as lines_out, open(samples if with_audio else index, "ab") as samples_out:
        for text, voice, phonemes in source:
            if units * UNIT_SAMPLES >= hours * 3600 * 24_000:
                break
            entry = {"text": text, "voice": voice, "phonemes": phonemes}
            if not with_audio:
                entry["durations"] = teacher.durations(phonemes, voice).tolist()
            else:
                audio = speak(teacher, entry)
                pcm = np.rint(audio.clip(-1, 1) * 32_767).astype("<i2")
                samples_out.write(pcm.tobytes())
                samples_out.flush()
                entry |= {"start": end, "samples": len(pcm)}
                end += len(pcm)
            lines_out.write(json.dumps(entry, ensure_ascii=False) + "\n")
            lines_out.flush()
            units += sum(entry["durations"])
            made += sum(entry["durations"]) * UNIT_SAMPLES / 24_000
            done += 1
            if done % 200 == 0:
                print(
                    f"{stage} {part:03}: {done} utterances, {units * 0.025 / 3600:.2f} h, "
                    f"real-time factor {(time.time() - began) / made:.3f}",
                    flush=True,
                )
    home.log(f"{stage} part {part:03}: {done} utterances, {units * 0.025 / 3600:.2f} h")
