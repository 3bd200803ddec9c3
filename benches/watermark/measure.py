"""Whether the mark is found: marked and unmarked speech of the default pack, after what happens to speech, judged by `syrinx detect`.

    python benches/watermark/measure.py --sentences 240 --unmarked FOLDER...

Wants ffmpeg with libopus and libmp3lame, numpy and scipy. FOLDER: recordings of people, WAV or FLAC, for false alarms.
"""

import argparse
import json
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

HERE = Path(__file__).resolve().parents[2]
VOICES = ("us-female", "us-male", "gb-female", "gb-male")
RATE_HZ = 24_000
SECONDS = (1, 2, 3, 5)


def read(path):
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples.astype(np.float32) / 32768, file.getframerate()


def write(path, samples, rate_hz):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())


def through(samples, *steps):
    """Through ffmpeg, once for each step: its arguments, and the ending of the file that it makes."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / "0.wav"
        write(at, samples, RATE_HZ)
        for number, (ending, *arguments) in enumerate([*steps, ("wav", "-ar", str(RATE_HZ))], 1):
            to = Path(folder) / f"{number}.{ending}"
            subprocess.run(["ffmpeg", "-loglevel", "error", "-i", at, *arguments, to], check=True)
            at = to
        return read(at)


def telephone(samples):
    """8 kHz, 300 to 3,400 Hz, mu-law of 8 bits."""
    narrow = resample_poly(samples, 1, 3)
    narrow = sosfilt(butter(4, [300, 3400], "band", fs=8000, output="sos"), narrow).clip(-1, 1)
    code = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    return np.sign(code) * (256 ** np.abs(code) - 1) / 255, 8000


def noise(below_db):
    def add(samples):
        drawn = np.random.default_rng(len(samples)).standard_normal(len(samples))
        return samples + drawn * np.sqrt((samples**2).mean()) * 10 ** (-below_db / 20), RATE_HZ

    return add


def room(samples):
    """Reverberation of 0.3 s, as strong as the sound itself."""
    drawn = np.random.default_rng(3).standard_normal(int(0.3 * RATE_HZ))
    tail = drawn * np.exp(-np.arange(len(drawn)) / RATE_HZ * 6.9 / 0.3)
    tail /= np.sqrt((tail**2).sum())
    tail[0] = 1
    return np.convolve(samples, tail)[: len(samples)] / 2, RATE_HZ


ATTACKS = {
    "16 bit": lambda samples: (samples, RATE_HZ),
    "telephone": telephone,
    "noise at -20 dB": noise(20),
    "Opus 24 kbit/s": lambda samples: through(samples, ("ogg", "-c:a", "libopus", "-b:a", "24k")),
    "noise at -10 dB": noise(10),
    "Opus 12 kbit/s": lambda samples: through(samples, ("ogg", "-c:a", "libopus", "-b:a", "12k")),
    "MP3 64 kbit/s": lambda samples: through(samples, ("mp3", "-b:a", "64k")),
    "telephone, then Opus 24": lambda samples: through(
        resample_poly(telephone(samples)[0], 3, 1), ("ogg", "-c:a", "libopus", "-b:a", "24k")
    ),
    "a tenth as loud": lambda samples: (samples / 10, RATE_HZ),
    "a room": room,
    "tempo 1.25, same pitch": lambda samples: through(samples, ("wav", "-filter:a", "atempo=1.25")),
    "rate + 0.1 %": lambda samples: through(samples, ("wav", "-filter:a", "asetrate=24024,aresample=24000")),
    "rate + 1 %": lambda samples: through(samples, ("wav", "-filter:a", "asetrate=24240,aresample=24000")),
    "rate + 4 %": lambda samples: through(samples, ("wav", "-filter:a", "asetrate=24960,aresample=24000")),
}


class Judge:
    def __init__(self, program, folder):
        self.program, self.file = program, Path(folder) / "judged.wav"

    def __call__(self, samples, rate_hz):
        write(self.file, samples, rate_hz)
        ran = subprocess.run([self.program, "detect", "--json", self.file], check=False, capture_output=True, text=True)
        return json.loads(ran.stdout)


def sentences(count):
    texts = [f"models/train/eval/{name}.txt" for name in ("prose", "everyday", "field")]
    lines = [line.strip() for name in texts for line in (HERE / name).read_text().splitlines()]
    lines = [line for line in lines if 35 <= len(line) <= 140 and not line.startswith("#")]
    return [lines[i] for i in np.random.default_rng(1).permutation(len(lines))[:count]]


def speak(program, texts, watermark, folder):
    for number, text in enumerate(texts):
        file = folder / f"{watermark}-{number:03}.wav"
        options = ["--voice", VOICES[number % 4], "--seed", str(number), "--watermark", watermark, "-o", file]
        if not file.is_file():
            subprocess.run([program, "say", text, *options], check=True, capture_output=True)
        yield read(file)[0]


def pieces(samples, rate_hz, seconds):
    size = int(seconds * rate_hz)
    return [samples[at : at + size] for at in range(0, len(samples) - size + 1, size)]


def found(judge, speech, attack):
    """A line of the table: shares found in whole sentences and in their last seconds, and the lowest scores."""
    attacked = [attack(samples) for samples in speech]
    cells = []
    for seconds in (*SECONDS, None):
        cut = [(s[-int(seconds * r) :] if seconds else s, r) for s, r in attacked if not seconds or len(s) >= seconds * r]
        answers = [judge(*one) for one in cut]
        share = np.mean([answer["marked"] for answer in answers]) if answers else np.nan
        cells.append(f"{100 * share:.1f} % of {len(answers)}")
    scores = [answer["score"] for answer in answers]
    return [*cells, f"{np.median(scores):.1f}, {np.min(scores):.1f}"]


def alarms(judge, trials):
    answers = [judge(*trial) for trial in trials]
    scores = np.array([answer["score"] for answer in answers])
    marked = sum(answer["marked"] for answer in answers)
    return [str(len(scores)), str(marked), f"{scores.mean():.2f} ± {scores.std():.2f}", f"{scores.max():.2f}"]


def recordings(folder):
    for path in sorted(p for p in Path(folder).rglob("*") if p.suffix in (".wav", ".flac")):
        raw = subprocess.run(
            ["ffmpeg", "-loglevel", "error", "-i", path, "-ac", "1", "-ar", str(RATE_HZ), "-f", "s16le", "-"],
            check=True,
            capture_output=True,
        ).stdout
        yield np.frombuffer(raw, "<i2").astype(np.float32) / 32768


def row(*cells):
    print("|", " | ".join(cells), "|", flush=True)


def table(*names):
    row(*names)
    row(*["---"] * len(names))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=HERE / "target/release/syrinx")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--unmarked", nargs="*", default=[], help="folders with recordings of people")
    parser.add_argument("--work", help="where speech is kept; otherwise it is made anew")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(options.work or folder)
        work.mkdir(parents=True, exist_ok=True)
        judge, texts = Judge(options.program, folder), sentences(options.sentences)
        marked = list(speak(options.program, texts, "on", work))
        table("after", *(f"{seconds} s" for seconds in SECONDS), "sentence", "score: median, lowest")
        for name, attack in ATTACKS.items():
            row(name, *found(judge, marked, attack))
        print()
        unmarked = list(speak(options.program, texts, "off", work))
        table("unmarked", "trials", "false alarms", "score", "highest")
        for name in ("16 bit", "telephone", "noise at -20 dB", "Opus 24 kbit/s"):
            row(f"wren, {name}", *alarms(judge, [ATTACKS[name](samples) for samples in unmarked]))
        cut = [(piece, RATE_HZ) for samples in unmarked for piece in pieces(samples, RATE_HZ, 2)]
        row("wren, pieces of 2 s", *alarms(judge, cut))
        for source in options.unmarked:
            heard = list(recordings(source))
            row(f"{Path(source).name}, whole", *alarms(judge, [(samples, RATE_HZ) for samples in heard]))
            cut = [(piece, RATE_HZ) for samples in heard for piece in pieces(samples, RATE_HZ, 2)]
            row(f"{Path(source).name}, pieces of 2 s", *alarms(judge, cut))
        drawn = np.random.default_rng(2)
        sounds = [(0.1 * drawn.standard_normal(3 * RATE_HZ), RATE_HZ) for _ in range(200)]
        row("white noise", *alarms(judge, sounds))
        time = np.arange(3 * RATE_HZ) / RATE_HZ
        chords = [sum(np.sin(2 * np.pi * f * k * time) / k for f in drawn.uniform(80, 900, 3) for k in range(1, 9)) for _ in range(200)]
        row("chords", *alarms(judge, [(0.05 * chord, RATE_HZ) for chord in chords]))


if __name__ == "__main__":
    main()
