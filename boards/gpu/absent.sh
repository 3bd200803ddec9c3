#!/bin/sh
# In: an archive of ggml's CUDA backend, and archives and objects that the program has besides. Out, on standard output: C
# with a function for each call that none of them answers. Asked whether it should be used, a kernel that is not there says
# no; called, it names itself and ends the program.
set -eu
archive=$1
names() { nm --format=posix "$@" 2>/dev/null | cut -d' ' -f1 | sort -u; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
names --undefined-only "$archive" >"$scratch/wanted"
names --defined-only "$@" >"$scratch/there"
# What is not of C++'s library, nor its operators and type information.
comm -23 "$scratch/wanted" "$scratch/there" | grep -E '^(_Z|cublas)' | grep -vE '^_Z(St|NSt|NKSt|TI|TS|TV|n|d|GT|SK|N9__gnu|N10__cxxabi)' \
    >"$scratch/absent" || true

cat <<'C'
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void absent(const char *what) {
    fprintf(stderr, "syrinx: this build has no CUDA code for %s: build with KERNELS=all (boards/gpu/README.md)\n", what);
    abort();
}
C
number=0
while read -r symbol; do
    number=$((number + 1))
    name=$(echo "$symbol" | c++filt)
    case $name in
    ggml_cuda_should_* | ggml_cuda_*_supported\(*) echo "int absent_$number(void) __asm__(\"$symbol\"); int absent_$number(void) { return 0; }" ;;
    *)
        echo "void absent_$number(void) __asm__(\"$symbol\");"
        echo "void absent_$number(void) { absent(\"$name\"); }"
        ;;
    esac
done <"$scratch/absent"
