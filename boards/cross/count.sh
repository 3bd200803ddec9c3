#!/bin/sh
# Instructions of a backbone's step and of a prompt's row under emulation, with Syrinx's kernels and with ggml's, and the functions
# that take most of them: boards/cross/count.sh [PACK]
# Two builds: for any ARM, whose ggml does without dot products, and for those that have them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/paths.sh"
pack=$(cd "${1:-$repository/models/wren-en}" && pwd)
fewer=4 more=20

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cc -O2 -shared -fPIC -o "$out/count.so" "$here/count.c"

# Instructions of each function, for so many steps or rows: BUILT CPU ISA STAGE NUMBER FILE
run() {
    echo "$5" | SYRINX_ISA=$3 qemu-aarch64 -cpu "$2" -plugin "$out/count.so,out=$6" "$1" "$4" "$pack" >/dev/null 2>"$out/said" ||
        { cat "$out/said" >&2; exit 1; }
}

# What one more takes: of two runs of different length the difference, without loading and warming up.
count() { # BUILT CPU ISA STAGE
    run "$1" "$2" "$3" "$4" "$fewer" "$out/fewer"
    run "$1" "$2" "$3" "$4" "$more" "$out/more"
    kernels=$(sed -n 's/^llama.cpp computes with //p' "$out/said")
    awk -F '\t' -v steps=$((more - fewer)) -v first="$out/fewer" '
        FILENAME == first { before[$2] = $1; next }
        { each = ($1 - before[$2]) / steps; if (each >= 1) { total += each; printf "%d\t%s\n", each, $2 > "'"$out/each"'" } }
        END { printf "%d\n", total }' "$out/fewer" "$out/more" >"$out/total"
    printf '%s\t%s\t%s\t%s\t%s\n' "$arm" "$2" "$4" "$kernels" "$(cat "$out/total")"
    sort -rn "$out/each" | head -"${FUNCTIONS:-0}" | sed 's/^/\t/'
}

printf 'build\tprocessor\tstage\tkernels\tinstructions\n'
for arm in ${BUILDS:-armv8-a armv8.2-a+dotprod+fp16}; do
    export ARM="$arm"
    work=$("$here/cargo.sh" build --release --bench work --message-format=json |
        sed -n 's/.*"name":"work".*"executable":"\([^"]*\)".*/\1/p')
    [ -x "$work" ] || { echo "count: no program for $arm" >&2; exit 1; }
    cpus="cortex-a53 cortex-a76 max"
    [ "$arm" = armv8-a ] || cpus="cortex-a76 max"
    for cpu in $cpus; do
        for stage in backbone prompt; do
            # No set of ours is plain Rust: ggml's own compute then.
            for isa in neon dotprod i8mm scalar; do
                case $cpu-$isa in
                cortex-a53-neon | cortex-a76-dotprod | max-i8mm | *-scalar) count "$work" "$cpu" "$isa" "$stage" ;;
                esac
            done
        done
    done
done
