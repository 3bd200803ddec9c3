"""Recordings as WAVs of 16 bits. Usage: python wavs.py FOLDER-OF-FLACS FOLDER"""

import pathlib
import sys

import soundfile

source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
for path in sorted(source.glob("*.flac")):
    samples, rate_hz = soundfile.read(path, dtype="int16")
    soundfile.write(target / f"{path.stem}.wav", samples, rate_hz, "PCM_16")
