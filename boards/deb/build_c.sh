#!/bin/sh
# Packs the built C library: boards/deb/build_c.sh ARCHITECTURE BUILT
# Writes target/deb/libsyrinxN_VERSION_ARCHITECTURE.deb, where N is the number of its interface, and libsyrinx-dev_….deb.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
architecture=$1 built=$2
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml")
abi=$(cat "$repository/src/c/src/abi.in")
out=$repository/target/deb
mkdir -p "$out"
all=$(mktemp -d)
trap 'rm -rf "$all"' EXIT
case $architecture in
amd64) triple=x86_64-linux-gnu strip=strip ;;
arm64) triple=aarch64-linux-gnu strip=aarch64-linux-gnu-strip ;;
*) echo "build_c: no Debian triple for $architecture is known here" >&2; exit 1 ;;
esac

DESTDIR=$all/dev "$repository/src/c/install.sh" "$built" /usr "lib/$triple"
lib=usr/lib/$triple
mkdir -p "$all/lib/$lib" "$all/lib/DEBIAN" "$all/dev/DEBIAN"
mv "$all/dev/$lib/libsyrinx.so.$abi.$version" "$all/dev/$lib/libsyrinx.so.$abi" "$all/lib/$lib/"
"$strip" --strip-unneeded "$all/lib/$lib/libsyrinx.so.$abi.$version"
"$strip" --strip-debug "$all/dev/$lib/libsyrinx.a"
install -D -m 644 "$repository/src/c/README.md" "$all/dev/usr/share/doc/libsyrinx-dev/README.md"
for example in "$repository"/src/c/examples/*; do
    install -D -m 644 "$example" "$all/dev/usr/share/doc/libsyrinx-dev/examples/${example##*/}"
done

# The newest of libc's versions that the library asks for.
libc=$(readelf -V "$all/lib/$lib/libsyrinx.so.$abi.$version" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
control() { # FOLDER PACKAGE SECTION DEPENDS DESCRIPTION
    cat >"$1/DEBIAN/control" <<EOF
Package: $2
Version: $version
Architecture: $architecture
Maintainer: Syrinx maintainers <syrinx@localhost>
Installed-Size: $(du -sk "$1/usr" | cut -f1)
Depends: $4
Section: $3
Priority: optional
Description: $5
 Speaks text with models of the Voxtral TTS family, without a network.
EOF
    dpkg-deb --root-owner-group --build "$1" "$out/$2_${version}_$architecture.deb"
}
printf 'libsyrinx %s libsyrinx%s\n' "$abi" "$abi" >"$all/lib/DEBIAN/shlibs"
printf 'activate-noawait ldconfig\n' >"$all/lib/DEBIAN/triggers"
control "$all/lib" "libsyrinx$abi" libs \
    "libc6 (>= ${libc#GLIBC_}), libstdc++6, libgcc-s1, libasound2 | libasound2t64" "offline speech for devices, the library"
control "$all/dev" libsyrinx-dev libdevel "libsyrinx$abi (= $version)" "offline speech for devices, to compile with"
