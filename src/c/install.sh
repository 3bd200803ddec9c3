#!/bin/sh
# Installs the built C library: src/c/install.sh BUILT PREFIX [LIBDIR]
# BUILT is cargo's folder with libsyrinx_c.so and libsyrinx_c.a. DESTDIR goes before PREFIX, as packagers expect.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
built=$1 prefix=$2 libdir=${3:-lib}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml")
abi=$(cat "$here/src/abi.in")
to=${DESTDIR:-}$prefix

install -D -m 755 "$built/libsyrinx_c.so" "$to/$libdir/libsyrinx.so.$abi.$version"
ln -sf "libsyrinx.so.$abi.$version" "$to/$libdir/libsyrinx.so.$abi"
ln -sf "libsyrinx.so.$abi" "$to/$libdir/libsyrinx.so"
install -D -m 644 "$built/libsyrinx_c.a" "$to/$libdir/libsyrinx.a"
install -D -m 644 "$here/include/syrinx.h" "$to/include/syrinx.h"
mkdir -p "$to/$libdir/pkgconfig"
sed -e "s|@PREFIX@|$prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@VERSION@|$version|" "$here/syrinx.pc.in" \
    >"$to/$libdir/pkgconfig/syrinx.pc"
chmod 644 "$to/$libdir/pkgconfig/syrinx.pc"
