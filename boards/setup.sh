#!/bin/sh
# Installs what a build needs and is missing, on Debian and Ubuntu; elsewhere says what that is.
# Arguments name further packages to have; those of another architecture as PACKAGE:ARCHITECTURE.
set -eu

if ! command -v cargo >/dev/null; then
    echo "syrinx: Rust is missing: install Rust 1.89 or newer with rustup, then run make again" >&2
    exit 1
fi

missing=""
need() { # COMMAND-OR-FILE-TEST PACKAGE
    if ! sh -c "$1" >/dev/null 2>&1; then missing="$missing $2"; fi
}
need "command -v cmake" cmake
need "command -v c++" g++
need "command -v make" make
need "command -v pkg-config" pkg-config
need "pkg-config --exists alsa" libasound2-dev
# The library for the bindings' generator, with its own headers.
need "ls /usr/lib/llvm-*/lib/libclang*.so* && ls /usr/lib/llvm-*/lib/clang/*/include/stddef.h" libclang-dev
for package in "$@"; do need "dpkg -s $package" "$package"; done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "syrinx: missing:$missing (Debian's names): install them, then run make again" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "syrinx: missing:$missing: install them as root with apt-get, then run make again" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "syrinx: installing$missing"
export DEBIAN_FRONTEND=noninteractive
case $missing in *:arm64*) $as_root dpkg --add-architecture arm64 ;; esac
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root apt-get install -y -qq --no-install-recommends $missing
