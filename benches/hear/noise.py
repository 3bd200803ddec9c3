"""An hour of noise without a voice: four WAVs of a quarter of an hour. Usage: python noise.py FOLDER

White and pink noise at -30 dBFS, each rising and falling by 12 dB within ten seconds; a kitchen: water, a hum of the mains,
clatter of resonant bodies some times a second, a kettle's whistle; and a car: low rumble, indicator ticks, bumps.
"""

import pathlib
import sys
import wave

import numpy as np

RATE = 16000
N = 15 * 60 * RATE
rng = np.random.default_rng(23)
time = np.arange(N) / RATE


def coloured(power):
    """Noise whose power falls with frequency to this power, by blocks that are faded into each other."""
    size = 1 << 16
    out = np.zeros(N + 2 * size)
    window = np.sqrt(np.hanning(size))
    shape = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20.0) ** (-power / 2)
    for at in range(0, N + size, size // 2):
        block = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape)
        out[at : at + size] += window * block / block.std()
    return out[size // 2 : size // 2 + N]


def level(x, dbfs):
    return x / np.sqrt((x**2).mean()) * 10 ** (dbfs / 20)


def clatter(per_second, decay, low, high, partials):
    out = np.zeros(N)
    for at in rng.integers(0, N - RATE, int(per_second * N / RATE)):
        t = np.arange(int(decay * 6 * RATE)) / RATE
        body = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in rng.uniform(low, high, partials))
        hit = body * np.exp(-t / decay) * 10 ** rng.uniform(-1.2, 0)
        out[at : at + len(hit)] += hit[: N - at]
    return out


def hum(hz):
    return sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 6))


swell = 10 ** (6 * np.sin(2 * np.pi * time / 10) / 20)
kettle = np.clip(np.sin(2 * np.pi * time / 90), 0, 1) * np.sin(2 * np.pi * 2200 * time + 3 * np.sin(2 * np.pi * 5 * time))
ticks = np.zeros(N)
ticks[:: int(0.35 * RATE)] = 1.0
ticks = np.convolve(ticks, np.exp(-np.arange(400) / 60) * np.sin(np.arange(400) * 0.9), "same")
sounds = {
    "white": level(coloured(0), -30) * swell,
    "pink": level(coloured(1), -30) * swell,
    "kitchen": level(coloured(0.5), -40) * swell + level(hum(50), -45) + level(clatter(1.5, 0.06, 400, 6000, 6), -32) + 0.02 * kettle,
    "car": level(coloured(2), -25) * swell + level(hum(31), -40) + 0.03 * ticks + level(clatter(0.2, 0.1, 40, 160, 3), -30),
}
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, sound in sounds.items():
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
