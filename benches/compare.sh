#!/bin/sh
# The comparison table, in one run on this machine: PACK against what others offer for the same work (README.md).
set -eu
cd "$(dirname "$0")/.."
pack=$(realpath "$1")

echo "## Products of weights: ours, ggml's, candle's"
cargo build --release --quiet --manifest-path benches/candle/Cargo.toml --target-dir target/candle
# A filter that matches no bench of criterion's: the table alone.
SYRINX_RIVAL=$PWD/target/candle/release/syrinx-bench-candle cargo bench --quiet --bench kernel -- none-of-these

echo "## Whole systems"
exec "${PYTHON:-python3}" benches/compare.py "$pack"
