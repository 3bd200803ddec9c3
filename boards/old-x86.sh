#!/bin/sh
# Speech on an emulated x86-64 without AVX2, built as on such a machine: llama.cpp without it, so ggml's own kernels and none of
# ours. With it, that a build with AVX2 refuses that machine in words: boards/old-x86.sh PROGRAM PACK
set -eu
cd "$(dirname "$0")/.."
with_avx2=$1 pack=$2
cpu=Nehalem # SSE4.2 and no AVX

fail() { echo "test-old-x86: $1" >&2; exit 1; }

# processor.cmake would look at the machine that builds.
export SYRINX_PORTABLE=1 CARGO_TARGET_DIR=target/old-x86
export GGML_SSE42=ON GGML_AVX=OFF GGML_AVX2=OFF GGML_FMA=OFF GGML_F16C=OFF GGML_BMI2=OFF
cargo build --release
program=$CARGO_TARGET_DIR/release/syrinx
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

old() { env -u SYRINX_ISA XDG_CACHE_HOME="$folder" qemu-x86_64 -cpu $cpu "$@"; }
speak() { "$@" say "Hello from an old machine." --pack "$pack" --max-seconds 1 -o "$folder/out.wav" 2>"$folder/said"; }

speak old "$program" || fail "does not speak on $cpu: $(cat "$folder/said")"
[ "$(wc -c <"$folder/out.wav")" -gt 40000 ] || fail "less than a second was spoken on $cpu"
report=$(old "$program" bench --json --frames 2 --pack "$pack")
echo "$report" | grep -q '"llama_kernels":"ggml"' || fail "not ggml's kernels on $cpu: $report"

# The same program on this machine, which has AVX2: ours where they rely on nothing that llama.cpp was built with.
report=$(XDG_CACHE_HOME="$folder" "$program" bench --json --frames 2 --pack "$pack")
echo "$report" | grep -q '"llama_kernels":"avx' || fail "none of our kernels on this machine: $report"

speak old "$with_avx2" && fail "a build with AVX2 spoke on $cpu"
grep -q 'AVX2, which this processor lacks' "$folder/said" || fail "a build with AVX2 did not refuse $cpu: $(cat "$folder/said")"
echo "test-old-x86: passed on $cpu, $(qemu-x86_64 --version | head -1)"
