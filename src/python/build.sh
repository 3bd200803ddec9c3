#!/bin/sh
# Builds the wheels: src/python/build.sh PYTHON OUT
# PYTHON is one that has maturin and build; OUT gets syrinx-….whl and, where the repository has the pack, its data.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
python=$1 out=$2
mkdir -p "$out"
out=$(cd "$out" && pwd)
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
cd "$here"
"$python" -m maturin build --quiet --release --out "$out"
pack=$repository/models/wren-en
[ -f "$pack/pack.toml" ] || { echo "no pack at $pack: no wheel of its data" >&2; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r voice/. "$work"
cp -r "$pack" "$work/syrinx_wren_en/pack"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$pack/pack.toml" | head -n 1)
sed -i "s/^__version__ = .*/__version__ = \"$version\"/" "$work/syrinx_wren_en/__init__.py"
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$out" "$work"
