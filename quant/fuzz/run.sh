#!/bin/sh
# Runs every fuzz target for the given number of seconds (600 without one).
set -eu
cd "$(dirname "$0")/.."
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# The sanitizers' flags are not in stable Rust yet.
export RUSTC_BOOTSTRAP=1
for target in gguf voice_pt text request speechd wyoming; do
    cargo fuzz run --fuzz-dir fuzz "$target" -- -max_total_time="${1:-600}" -timeout=10
done
