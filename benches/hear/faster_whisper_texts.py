"""What faster-whisper makes of the same recordings: a TSV on standard output, its pace on standard error.

    pip install faster-whisper && python faster_whisper_texts.py target/ears WAV... > theirs.tsv
"""

import pathlib
import sys
import time

import faster_whisper

model = faster_whisper.WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
seconds = taken = busy = 0.0
for path in sys.argv[2:]:
    begun, begun_busy = time.perf_counter(), time.process_time()
    segments, info = model.transcribe(path, beam_size=1)
    text = " ".join(segment.text.strip() for segment in segments)
    taken, busy = taken + time.perf_counter() - begun, busy + time.process_time() - begun_busy
    seconds += info.duration
    print(pathlib.Path(path).name, text, sep="\t", flush=True)
print(f"{seconds:.1f} s of sound in {taken:.2f} s, {busy:.2f} s of a processor: {busy / seconds:.4f}", file=sys.stderr)
