"""What faster-whisper makes of the same recordings: a TSV on standard output, its pace on standard error.

    pip install faster-whisper && python faster_whisper_texts.py target/ears WAV... > theirs.tsv
    python faster_whisper_texts.py target/ears --turns turns.tsv WAV... > theirs.tsv

With `--turns` it is given what our own voice activity gives Whisper, turn by turn, instead of whole recordings.
"""

import pathlib
import sys
import time

import faster_whisper
from faster_whisper.audio import decode_audio

RATE = 16000


def parts(line):
    """Pairs of the first and the last sample of a turn."""
    places = [(event[0], int(event[1:].split("/")[1])) for event in line.split()]
    starts = [place for kind, place in places if kind == "S"]
    return list(zip(starts, [place for kind, place in places if kind == "E"]))


model, files, turns = sys.argv[1], sys.argv[2:], None
if files[0] == "--turns":
    lines = [line.split("\t") for line in pathlib.Path(files[1]).read_text().splitlines()]
    turns, files = {pathlib.Path(path).stem: parts(line) for path, line in lines}, files[2:]
model = faster_whisper.WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
seconds = taken = busy = 0.0
for path in files:
    sound = decode_audio(path, sampling_rate=RATE)
    begun, begun_busy = time.perf_counter(), time.process_time()
    texts = []
    for start, end in [(0, len(sound))] if turns is None else turns[pathlib.Path(path).stem]:
        segments, _ = model.transcribe(sound[start:end], beam_size=1)
        texts += [segment.text.strip() for segment in segments]
    taken, busy = taken + time.perf_counter() - begun, busy + time.process_time() - begun_busy
    seconds += len(sound) / RATE
    print(pathlib.Path(path).name, " ".join(texts), sep="\t", flush=True)
print(f"{seconds:.1f} s of sound in {taken:.2f} s, {busy:.2f} s of a processor: {busy / seconds:.4f}", file=sys.stderr)
