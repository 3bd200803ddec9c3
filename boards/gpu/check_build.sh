#!/bin/sh
# What a program with CUDA must do on a machine without a GPU: boards/gpu/check_build.sh PROGRAM [ORDINARY]
# It starts, says loudly that nothing runs on a GPU, and speaks on the processor: the samples of the program without CUDA that is
# built for the same processors (SYRINX_PORTABLE).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
program=$1 ordinary=${2:-$repository/target/portable/release/syrinx}
pack=$repository/models/wren-en
most_bytes=60000000 # packed, to be carried to a board
fail() { echo "check_build: $1" >&2; exit 1; }

# Nothing of NVIDIA's is asked of the machine: the runtime opens the driver itself, if there is one.
needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $needed; do
    case $library in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | libasound.so.2 | libpthread.so.0 | libdl.so.2 | librt.so.1 | ld-linux-*) ;;
    *) fail "the program wants $library" ;;
    esac
done
packed=$(xz -T0 -c "$program" | wc -c)
[ "$packed" -le "$most_bytes" ] || fail "$packed bytes packed: more than $most_bytes"

if command -v nvidia-smi >/dev/null && nvidia-smi -L | grep -q GPU; then
    echo "check_build: this machine has a GPU: boards/gpu/check.sh"
    exit
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$program" doctor --pack "$pack" >"$scratch/doctor" 2>&1 || true
grep 'EVERYTHING RUNS ON THE PROCESSOR' "$scratch/doctor" || fail "doctor does not say that no GPU is used: $(cat "$scratch/doctor")"
say() { "$1" say "In three hundred metres, turn left." --pack "$pack" -o "$2"; }
say "$program" "$scratch/cuda.wav"
say "$ordinary" "$scratch/ordinary.wav" 2>/dev/null
cmp "$scratch/cuda.wav" "$scratch/ordinary.wav" || fail "its samples are not those of $ordinary"
echo "check_build: starts without a GPU, says so, and speaks the portable program's samples; $packed bytes packed by xz"
