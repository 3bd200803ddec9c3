#!/bin/sh
# The C programs of the tests under valgrind: src/c/tests/valgrind.sh BUILT PACK
# BUILT is cargo's folder with libsyrinx_c.so, for a processor that valgrind knows. Ends at an error or a leak.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
built=$(cd "$1" && pwd) pack=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$built/libsyrinx_c.so" "$work/libsyrinx.so"
ln -s "$built/libsyrinx_c.so" "$work/libsyrinx.so.$(cat "$here/src/abi.in")"
for program in hundred misuse live; do
    cc -std=c99 -D_POSIX_C_SOURCE=199309L -g -I "$here/include" "$here/tests/c/$program.c" -o "$work/$program" \
        -L "$work" -lsyrinx -lpthread "-Wl,-rpath,$work"
    case $program in live) more=$work/heard ;; *) more= ;; esac
    echo "valgrind: $program"
    # shellcheck disable=SC2086 # no argument, or one
    valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
        "$work/$program" "$pack" $more
done
