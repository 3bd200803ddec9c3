#!/bin/sh
# Packs the built speech service: boards/deb/build_serve.sh ARCHITECTURE PROGRAM
# Writes target/deb/syrinx-serve_VERSION_ARCHITECTURE.deb. The voice is that of the package syrinx.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
architecture=$1 program=$2
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml")
serve=$repository/src/serve
out=$repository/target/deb
mkdir -p "$out"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
case $architecture in
arm64) strip=aarch64-linux-gnu-strip ;;
*) strip=strip ;;
esac

install -D -m 755 "$program" "$root/usr/bin/syrinx-serve"
"$strip" --strip-unneeded "$root/usr/bin/syrinx-serve"
for unit in syrinx-serve.service syrinx-serve.socket; do
    install -D -m 644 "$serve/$unit" "$root/lib/systemd/system/$unit"
done
install -D -m 644 "$serve/README.md" "$root/usr/share/doc/syrinx-serve/README.md"

# The newest of libc's versions that the program asks for.
libc=$(readelf -V "$root/usr/bin/syrinx-serve" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do install -m 755 "$here/serve/$script" "$root/DEBIAN/$script"; done
cat >"$root/DEBIAN/control" <<CONTROL
Package: syrinx-serve
Version: $version
Architecture: $architecture
Maintainer: Syrinx maintainers <syrinx@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: syrinx (= $version), libc6 (>= ${libc#GLIBC_}), libstdc++6, libgcc-s1
Recommends: libmp3lame0
Section: sound
Priority: optional
Description: offline speech for devices, as a service
 OpenAI's HTTP, a WebSocket and a page on 127.0.0.1:8880, by the voice of the package syrinx.
CONTROL
dpkg-deb --root-owner-group --build "$root" "$out/syrinx-serve_${version}_$architecture.deb"
