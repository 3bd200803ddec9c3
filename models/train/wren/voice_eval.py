"""Stage `voice-eval`: a finished pack, judged through the runtime.

In: the `syrinx` binary, a pack, the held-out sentences; for comparison the teacher's `heldout/` speech. Out: one table row
per voice: word error, DNSMOS, real-time factor of the whole command on one thread, frames per character, and failures
(no end, early end, repetition: length against the median pace of the voice). Stage `endings`: failures alone, in any number of
random sentences and in every letter.
"""

import subprocess
import time
import wave

import numpy as np

from .corpus import entries
from .home import eval_sentences
from .judge import Words, quality
from .sentences import LETTERS, Script
from .sizes import FRAME_SAMPLES, SAMPLE_RATE_HZ
from .teacher import VOICES

SHORT = "short"  # single words: judged for failures alone, since the judge itself is unsure of them
PACE_BOUNDS = (0.5, 2.0)
ENDINGS_SEED = 424_242


def read_wave(path):
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32_768


def say(syrinx, pack, voice, text, path):
    """Audio and wall-clock seconds; empty audio where the runtime refuses."""
    began = time.time()
    ran = subprocess.run([syrinx, "say", text, "--pack", pack, "--voice", voice, "-o", str(path)], capture_output=True, check=False)
    return (read_wave(path) if ran.returncode == 0 else np.zeros(0, np.float32)), time.time() - began


def failures(spoken):
    """The texts whose audio is empty, or far from the voice's median pace for their length."""
    pace = np.array([len(audio) / FRAME_SAMPLES / (len(text) + 12) for text, audio in spoken])  # 12: silence at the ends
    low, high = (np.median(pace) * bound for bound in PACE_BOUNDS)
    return [text for (text, _), p in zip(spoken, pace) if not low <= p <= high]


def row(name, judge, spoken, short, seconds):
    sounding = [(text, audio) for text, audio in spoken if len(audio)]
    samples = sum(len(audio) for _, audio in spoken)
    empty = np.zeros(SAMPLE_RATE_HZ, np.float32)
    error = judge.errors([(text, audio if len(audio) else empty) for text, audio in spoken])
    mos = np.mean([quality(audio) for _, audio in sounding]) if sounding else float("nan")
    pace = samples / FRAME_SAMPLES / sum(len(text) for text, _ in spoken)
    factor = f"{seconds * SAMPLE_RATE_HZ / samples:.2f}" if seconds and samples else "–"
    failed = f"{len(failures(spoken + short))} of {len(spoken + short)}"
    return f"| {name} | {error:.1%} | {mos:.2f} | {factor} | {pace:.2f} | {failed} |"


def run(home, syrinx, pack, count, threads):
    judge = Words(home, threads)
    groups = eval_sentences()
    short = groups.pop(SHORT)[:count]
    sentences = [text for group in groups.values() for text in group][:: max(1, sum(map(len, groups.values())) // count)]
    folder = home.folder("voice-eval")
    lines = ["| Voice | Word error | DNSMOS | Real-time factor | Frames per character | Failures |", "|---|---|---|---|---|---|"]
    for voice in VOICES:
        made, seconds = {}, 0.0
        for i, text in enumerate(sentences + short):
            made[text], took = say(syrinx, pack, voice, text, folder / f"{voice}-{i:03}.wav")
            seconds += took if text in sentences else 0.0
        lines.append(row(voice, judge, [(t, made[t]) for t in sentences], [(t, made[t]) for t in short], seconds))
        print(lines[-1], flush=True)
    teacher = teacher_speech(home)
    known = [(text, teacher[text]) for text in sentences if text in teacher]
    if known:
        lines.append(row("teacher", judge, known, [(t, teacher[t]) for t in short if t in teacher], 0.0))
    table = "\n".join(lines) + "\n"
    (home.folder(".") / "voice-eval.md").write_text(table)
    home.log(f"voice-eval: {len(sentences)} sentences and {len(short)} short ones per voice, in voice-eval.md")
    print(table)


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
