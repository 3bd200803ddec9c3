"""How well the turns of recordings of one command each fit: beginnings, commands that were cut, and starts in noise.

    cargo bench --bench hear -- turns WAV... > turns.tsv
    python turns.py turns.tsv WAV... ; python turns.py --noise turns.tsv

Where speech begins is told by loudness alone, which the voice activity knows nothing of: the first 10 ms from which on the
loudness stays 12 dB above the recording's quietest tenth (or 35 dB below its loudest hundredth, where that is more) for most of
120 ms. Where it ends, the same from behind.
"""

import pathlib
import sys
import wave

import numpy as np

RATE = 16000
STEP = 160


def bounds(path):
    with wave.open(path) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64) / 32768
    samples = np.concatenate([[0], samples[1:] - 0.95 * samples[:-1]])
    frames = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    loud = 10 * np.log10((frames**2).mean(1) + 1e-10)
    least = max(np.percentile(loud, 10) + 12, np.percentile(loud, 99) - 35)
    above = np.convolve(loud > least, np.ones(12), "valid") >= 9
    speech = np.flatnonzero(above & (loud > least)[: len(above)])
    return speech[0] * STEP, min(len(frames), speech[-1] + 12) * STEP


def turns(line):
    """Pairs of the first and the last frame of speech."""
    found = []
    for event in line.split():
        places = [int(place) for place in event[1:].split("/")]
        if event[0] == "S":
            found.append([places, None])
        else:
            found[-1][1] = places
    return found


def main():
    noise = sys.argv[1] == "--noise"
    lines = [line.split("\t") for line in pathlib.Path(sys.argv[2 if noise else 1]).read_text().splitlines()]
    if noise:
        for path, line in lines:
            print(pathlib.Path(path).name, len(turns(line)), "starts")
        return
    late, cut, missed = [], [], []
    for path, line in lines:
        begin, end = bounds(path)
        found = turns(line)
        if not found:
            missed.append(path)
            continue
        late.append((found[0][0][0] - begin) / RATE * 1000)
        # A turn that ends while more than 200 ms of the command are still to come has cut it.
        if len(found) > 1 or found[0][1][1] < end - 0.2 * RATE:
            cut.append(path)
    late = np.array(late)
    print(f"{len(lines)} commands, {len(missed)} without a turn")
    print(f"onset within 100 ms: {100 * (np.abs(late) <= 100).mean():.1f} %, within 200 ms: {100 * (np.abs(late) <= 200).mean():.1f} %")
    print("onset against loudness in ms, percentiles 1 10 50 90 99:", np.percentile(late, [1, 10, 50, 90, 99]).round())
    print(f"in one turn: {100 * (1 - len(cut) / len(lines)):.1f} %; not: {[pathlib.Path(path).stem[:8] for path in cut]}")


if __name__ == "__main__":
    main()
