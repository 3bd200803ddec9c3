#!/bin/sh
# CMake's launcher for CUDA sources. In: a compiler and its arguments. Out: the object, and a line in $CUDA_LOG with what it
# took. With KERNELS=ours a source that kernels.txt lacks becomes an object without anything in it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source="" object=""
previous=""
for argument in "$@"; do
    case $previous in -c) source=$argument ;; -o) object=$argument ;; esac
    previous=$argument
done
case $source in */ggml-cuda/*.cu) ;; *) exec "$@" ;; esac
name=$(basename "$source" .cu)

if [ "${KERNELS:-all}" = ours ]; then
    if ! kept=$(grep -E "^$name( |\$)" "$here/kernels.txt"); then
        echo | "${CXX:-c++}" -x c++ -c - -o "$object"
        exit
    fi
    sizes=${kept#"$name"}
    if [ -n "$sizes" ]; then
        # The instances of these head sizes alone. Its headers are named from where the source was.
        narrow=${object%.o}.narrow.cu
        grep -Ev 'CASE\(' "$source" >"$narrow"
        grep -E "CASE\( *(${sizes# })," "$source" >>"$narrow"
        folder=$(dirname "$source")
        # POSIX has no arrays: the arguments go round once.
        count=$#
        while [ "$count" -gt 0 ]; do
            argument=$1
            shift
            [ "$argument" != "$source" ] || argument=$narrow
            set -- "$@" "$argument"
            count=$((count - 1))
        done
        set -- "$@" "-I$folder"
    fi
fi
status=0
started=$(date +%s)
"$@" || status=$?
if [ -n "${CUDA_LOG:-}" ] && [ "$status" = 0 ]; then
    # User and system time of the children; in a pipe it would be the pipe's.
    times >"$object.times"
    echo "$name $(($(date +%s) - started)) s, of processors $(tail -1 "$object.times"), $(wc -c <"$object") bytes" >>"$CUDA_LOG"
fi
exit "$status"
