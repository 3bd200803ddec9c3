"""How far voice activity is from the original, run by ONNX Runtime, on the same recordings.

    pip download --no-deps silero-vad==6.2.3 && unzip silero_vad-*.whl; pip install onnxruntime
    cargo bench --bench hear -- voice WAV... > voice.tsv
    python voice.py silero_vad/data/silero_vad_16k_op15.onnx voice.tsv
"""

import pathlib
import sys
import wave

import numpy as np
import onnxruntime

FRAME, CONTEXT, RATE = 512, 64, 16000
MOST = 1e-4


def main():
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    worst, frames, lines = 0.0, 0, pathlib.Path(sys.argv[2]).read_text().splitlines()
    for line in lines:
        path, said = line.split("\t")
        said = np.array(said.split(), np.float64)
        with wave.open(path) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
        state, context, theirs = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), []
        for frame in samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME):
            given = {"input": np.concatenate([context, frame])[None], "state": state, "sr": np.array(RATE, np.int64)}
            out, state = session.run(None, {i.name: given[i.name] for i in session.get_inputs()})
            context = frame[-CONTEXT:]
            theirs.append(out.item())
        assert len(said) == len(theirs), f"{path}: {len(said)} frames, {len(theirs)} theirs"
        worst, frames = max(worst, np.abs(said - theirs).max()), frames + len(said)
    print(f"{len(lines)} recordings, {frames} frames: largest difference {worst:.1e}, {MOST:.0e} allowed")
    sys.exit(frames == 0 or not worst < MOST)


main()
