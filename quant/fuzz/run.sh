#!/bin/sh
# Runs every fuzz target, or those that are named, for the given number of seconds (600 without one).
set -eu
cd "$(dirname "$0")/.."
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# The sanitizers' flags are not in stable Rust yet.
export RUSTC_BOOTSTRAP=1
seeds=$(mktemp -d)
trap 'rm -r "$seeds"' EXIT
mkdir "$seeds/whisper" "$seeds/wav"
printf '\0' | cat - ../tests/data/hear/whisper/model.bin > "$seeds/whisper/small"
# 16 kHz, mono, 16 bits, and as much sound as fits in the rest.
printf 'RIFF\377\377\377\377WAVEfmt \020\0\0\0\001\0\001\0\200\076\0\0\0\175\0\0\002\0\020\0data\377\377\377\377sound' > "$seeds/wav/stream"
for target in ${2:-gguf voice_pt text wav whisper request speechd wyoming}; do
    mkdir -p "$seeds/$target" "fuzz/corpus/$target"
    cargo fuzz run --fuzz-dir fuzz "$target" "fuzz/corpus/$target" "$seeds/$target" -- -max_total_time="${1:-600}" -timeout=10
done
