#!/bin/sh
# Cargo for aarch64 Linux, on an x86 Debian and its cross tools: boards/cross/cargo.sh build --release
# $ARM is the architecture that llama.cpp's kernels are compiled for; Syrinx's own are chosen at run time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/paths.sh"

packages="gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user file libasound2-dev:arm64"
# Rust's standard library for Arm only fits the compiler that made it: rustup's where it has one, or else Debian's.
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    packages="$packages rustc-web libstd-rust-web-dev:arm64"
    export RUSTC=/usr/bin/rustc
fi
# shellcheck disable=SC2086 # a list of words
"$here/../setup.sh" $packages

export CARGO_BUILD_TARGET="$target" CARGO_TARGET_DIR="$cross"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$gnu-gcc"
export CC_aarch64_unknown_linux_gnu="$gnu-gcc" CXX_aarch64_unknown_linux_gnu="$gnu-g++"
export AR_aarch64_unknown_linux_gnu="$gnu-ar"
export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR_aarch64_unknown_linux_gnu="/usr/lib/$gnu/pkgconfig"
export BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="--target=$gnu -isystem /usr/$gnu/include"
# llama-cpp-sys-2 hands CMAKE_* on; the file says the rest.
export CMAKE_TOOLCHAIN_FILE="$here/aarch64.cmake" SYRINX_ARM="$arm"
export SYRINX_PORTABLE=1 # not for this machine's processor
# Never with -L: it pairs the cross package's loader with the libc of arm64, and every new thread spins for ever.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
exec cargo "$@"
