"""Stage `lines`: what is to be said, with phonemes; `corpus`: the lines spoken by the teacher; `script`: their durations alone;
`heldout`: the sentences kept for evaluation, each in one voice, spoken by the teacher and never trained on.

In: sentences; then `lines/<stage>-<part>.jsonl`, one {text, voice, phonemes} a line. Out: `<stage>/<part>.jsonl`, the same with
durations; speech adds {pitch_hz, start, samples}, with 16-bit 24 kHz samples in `<part>.pcm`. Only `lines` needs the phonemiser.
Files only grow, and a stage started again goes on where the last whole line ended.
"""

import json
import time

import numpy as np

from . import lexicon
from .acoustics import VOICE_IDS
from .frames import Frames
from .g2p import ACCENTS, Phonemes
from .home import eval_sentences
from .pitch import half_frames, locked_cycles, pitch_values
from .precision import on_gpu
from .sizes import SAMPLE_RATE_HZ, UNIT_SAMPLES
from .teacher import MAX_SYMBOLS, VOICE_HZ, VOICES, Teacher

BATCH = 64
DEFINITIONS_SHARE = {"corpus": 0.35, "script": 0.65}
SEEDS = {"script": 100_000}  # added to the part's number


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


def requests(home, seed, stage):
    """Endless (text, voice, phonemes); held-out sentences never come out. Where there is a lexicon its phones are said, and the
    working folder's prose beside the rest."""
    from .sentences import Script  # only where lines are made is what spells numbers installed

    held_out = {key(s) for group in eval_sentences().values() for s in group}
    if (home.folder("lexicon") / "us.tsv").exists():
        prose = [line for path in sorted(home.folder("prose").glob("*.txt")) for line in path.read_text().splitlines()]
        script = Script(seed, DEFINITIONS_SHARE[stage], prose, [lexicon.load(home, accent) for accent in ACCENTS])
        sounds = lexicon.Sounds(home)
    else:
        script, phonemes = Script(seed, DEFINITIONS_SHARE[stage]), {accent: Phonemes(accent) for accent in ACCENTS}

        def sounds(texts, accent):
            return phonemes[accent](texts)

    voices = list(VOICES)
    while True:
        drawn = [(script.utterance(), script.rng.choice(voices)) for _ in range(BATCH)]
        drawn = [(text, voice) for text, voice in drawn if key(text) not in held_out]
        spoken = {}
        for accent in ACCENTS:
            mine = [text for text, voice in drawn if VOICES[voice][1] == accent]
            spoken.update(zip(((t, accent) for t in mine), sounds(mine, accent)))
        for text, voice in drawn:
            symbols = spoken[text, VOICES[voice][1]]
            if 1 <= len(symbols) <= MAX_SYMBOLS:
                yield text, voice, symbols


def parsed(path):
    """The whole lines of a file that may end in half of one."""
    if not path.exists():
        return
    with open(path) as file:
        for line in file:
            if not line.endswith("\n"):
                break
            yield json.loads(line)


def entries(folder):
    """Every utterance of every part in the folder, with its part's name."""
    for path in sorted(folder.glob("*.jsonl")):
        for entry in parsed(path):
            yield entry | {"part": path.stem}


def lines(home, stage, part, count):
    """Write `count` lines to say; held-out sentences are as many as there are."""
    source = held_out_requests() if stage == "heldout" else requests(home, SEEDS.get(stage, 0) + part, stage)
    with open(home.folder("lines") / f"{stage}-{part:03}.jsonl", "w") as out:
        for i, (text, voice, phonemes) in enumerate(source):
            if stage != "heldout" and i == count:
                break
            out.write(json.dumps({"text": text, "voice": voice, "phonemes": phonemes}, ensure_ascii=False) + "\n")


def timed(teacher, wanted):
    """The lines with durations, and no samples."""
    made = teacher.timed([(line["phonemes"], line["voice"]) for line in wanted])
    return [line | {"durations": one.durations.tolist()} for line, one in zip(wanted, made)], []


def spoken(teacher, wanted):
    """The lines with durations and pitch, and the samples of each."""

    def cycles(place, durations, pitch_hz):
        frames = Frames(wanted[place] | {"durations": durations.tolist()})
        voice_hz = VOICE_HZ[VOICE_IDS[wanted[place]["voice"]]]
        half_hz = half_frames(pitch_hz, frames.first_sample, len(frames.pairs))
        return locked_cycles(pitch_values(half_hz, voice_hz), voice_hz, frames.first_sample, int(durations.sum()) * UNIT_SAMPLES)

    made, sounds = list(wanted), [None] * len(wanted)
    for place, durations, pitch_hz, audio in teacher.speak([(line["phonemes"], line["voice"]) for line in wanted], cycles):
        made[place] = made[place] | {"durations": durations.tolist(), "pitch_hz": pitch_hz.astype(int).tolist()}
        sounds[place] = np.rint(audio * 32_767).astype("<i2")
    return made, sounds


def run(home, stage, part, minutes):
    """Say the part's lines, for at most `minutes`. Parts may run side by side."""
    wanted = list(parsed(home.folder("lines") / f"{stage}-{part:03}.jsonl"))
    index = home.folder(stage) / f"{part:03}.jsonl"
    done = list(parsed(index))
    index.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in done))
    sounding = stage != "script"
    end = sum(entry["samples"] for entry in done) if sounding else 0
    if sounding:
        beside = index.with_suffix(".pcm")
        beside.touch()
        with open(beside, "r+b") as file:
            file.truncate(2 * end)
    teacher, at_once = Teacher(home, sounding), 1024 if on_gpu() else 16
    began, seconds = time.time(), 0.0
    for first in range(len(done), len(wanted), at_once):
        if time.time() - began > 60 * minutes:
            break
        made, sounds = (spoken if sounding else timed)(teacher, wanted[first : first + at_once])
        if sounding:
            with open(beside, "ab") as out:
                for entry, sound in zip(made, sounds):
                    out.write(sound.tobytes())
                    entry |= {"start": end, "samples": len(sound)}
                    end += len(sound)
        with open(index, "a") as out:
            out.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in made)
        seconds += sum(sum(entry["durations"]) for entry in made) * UNIT_SAMPLES / SAMPLE_RATE_HZ
        print(
            f"{stage} {part:03}: {first + len(made)} utterances, {seconds / 3600:.2f} h, real-time factor "
            f"{(time.time() - began) / seconds:.4f}",
            flush=True,
        )
    home.log(f"{stage} part {part:03}: {seconds / 3600:.2f} h more")
