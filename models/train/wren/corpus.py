"""Stage `corpus`: utterances spoken by the teacher; `script`: the same without audio, durations alone; `sketch`: durations and
acoustic values, without audio (`shortcut`); `heldout`: the sentences kept for evaluation, each in one voice, spoken by
the teacher and never trained on.

In: sentences. Out: `<stage>/<part>.jsonl`, one line per utterance {text, voice, phonemes, durations}. Speech adds {pitch_hz, start,
samples}, with 16-bit 24 kHz samples in `<part>.pcm`; a sketch adds {start, frames}, with a byte per value in `<part>.levels`.
All files only grow, and a stage started again goes on where the last whole line ended.
"""

import json
import time

import numpy as np

from .acoustics import VOICE_IDS
from .frames import Frames
from .g2p import ACCENTS, Phonemes
from .home import eval_sentences
from .pitch import PITCH_SAMPLES, half_frames, locked_cycles, pitch_values
from .sentences import Script
from .sizes import SAMPLE_RATE_HZ, UNIT_SAMPLES, CodecSizes
from .teacher import MAX_SYMBOLS, VOICE_HZ, VOICES, Teacher

BATCH = 64
DEFINITIONS_SHARE = {"corpus": 0.25, "script": 0.65, "sketch": 0.5}
SEEDS = {"script": 100_000, "sketch": 200_000}  # added to the part's number


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


class Maker:
    """What a stage writes beside the text: how it is made, the file's ending, and the bytes of one row of it."""

    def __init__(self, home, stage):
        self.ending, self.row_bytes, self.counted = ".pcm", 2, "samples"
        if stage == "script":
            self.ending, teacher = None, Teacher(home, "front")
            self.make = lambda entry: self.timed(entry, teacher.durations(entry["phonemes"], entry["voice"]))
        elif stage == "sketch":
            from .shortcut import Sketcher  # which reads the codes, and these the corpus

            self.ending, self.row_bytes, self.counted = ".levels", CodecSizes().acoustic_dim, "frames"
            self.make = Sketcher(home).levels
        else:
            teacher = Teacher(home, "audio")
            self.make = lambda entry: self.spoken(entry, teacher)

    @staticmethod
    def timed(entry, durations):
        entry["durations"] = durations.tolist()

    @staticmethod
    def spoken(entry, teacher):
        def cycles(sketch):
            entry["durations"] = sketch.durations.tolist()
            entry["pitch_hz"] = np.rint(sketch.pitch_hz).astype(int).tolist()
            frames, voice_hz = Frames(entry), VOICE_HZ[VOICE_IDS[entry["voice"]]]
            half_hz = half_frames(entry["pitch_hz"], frames.first_sample, len(frames.pairs))
            samples = len(sketch.pitch_hz) * PITCH_SAMPLES
            return locked_cycles(pitch_values(half_hz, voice_hz), voice_hz, frames.first_sample, samples)

        audio, _ = teacher.speak(entry["phonemes"], entry["voice"], cycles)
        return np.rint(audio.clip(-1, 1) * 32_767).astype("<i2")


def run(home, stage, part, hours):
    """Extend one part until it holds `hours` of speech. A part's number is its seed: parts may run side by side."""
    index = home.folder(stage) / f"{part:03}.jsonl"
    lines = []
    if index.exists():
        lines = [line for line in index.read_text().splitlines(keepends=True) if line.endswith("\n")]
        index.write_text("".join(lines))
    done = len(lines)
    units = sum(sum(json.loads(line)["durations"]) for line in lines)
    source = held_out_requests() if stage == "heldout" else requests(SEEDS.get(stage, 0) + part, stage)
    for _ in range(done):
        next(source)
    maker, end = Maker(home, stage), 0
    beside = index.with_suffix(maker.ending) if maker.ending else None
    if beside is not None:
        last = json.loads(lines[-1]) if lines else {"start": 0, maker.counted: 0}
        end = last["start"] + last[maker.counted]
        beside.touch()
        with open(beside, "r+b") as file:
            file.truncate(maker.row_bytes * end)
    began, made = time.time(), 0.0
    with open(index, "a") as lines_out:
        for text, voice, phonemes in source:
            if units * UNIT_SAMPLES >= hours * 3600 * SAMPLE_RATE_HZ:
                break
            entry = {"text": text, "voice": voice, "phonemes": phonemes}
            rows = maker.make(entry)
            if beside is not None:
                with open(beside, "ab") as out:
                    out.write(rows.tobytes())
                entry |= {"start": end, maker.counted: len(rows)}
                end += len(rows)
            lines_out.write(json.dumps(entry, ensure_ascii=False) + "\n")
            lines_out.flush()
            units += sum(entry["durations"])
            made += sum(entry["durations"]) * UNIT_SAMPLES / SAMPLE_RATE_HZ
            done += 1
            if done % 200 == 0:
                print(
                    f"{stage} {part:03}: {done} utterances, {units * UNIT_SAMPLES / SAMPLE_RATE_HZ / 3600:.2f} h, "
                    f"real-time factor {(time.time() - began) / made:.3f}",
                    flush=True,
                )
    home.log(f"{stage} part {part:03}: {done} utterances, {units * UNIT_SAMPLES / SAMPLE_RATE_HZ / 3600:.2f} h")
