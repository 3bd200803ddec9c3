#!/bin/sh
# Packs the GPU check for a machine that has a driver and nothing else: boards/gpu/carry.sh [PROGRAM]
# Out: target/cuda/carry.tar.xz, at most 60 MB: the program (built with FEATURES=cli,import it wants no ALSA), wren, both tiny checkpoints as packs, goldens, check.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
out=$repository/target/cuda
program=${1:-$out/syrinx} ordinary=$repository/target/release/syrinx
to=$out/carry
rm -rf "$to"
mkdir -p "$to"
cp "$program" "$to/syrinx"
cp "$here/check.sh" "$to/"
cp -r "$repository/models/wren-en" "$to/wren-en"
for name in tiny odd; do
    "$ordinary" pack --from "$repository/tests/data/$name" --recipe f32 --to "$to/$name"
    cp "$repository/tests/data/golden_$name.safetensors" "$to/"
done
tar -C "$out" -cJf "$out/carry.tar.xz" carry
bytes=$(wc -c <"$out/carry.tar.xz")
echo "carry: $out/carry.tar.xz, $bytes bytes: unpack it and run carry/check.sh"
[ "$bytes" -le 60000000 ] || { echo "carry: more than 60 MB" >&2; exit 1; }
