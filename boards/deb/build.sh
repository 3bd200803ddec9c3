#!/bin/sh
# Packs a built program: boards/deb/build.sh ARCHITECTURE PROGRAM [PACK]
# Writes target/deb/syrinx_VERSION_ARCHITECTURE.deb. Without PACK, or where it is no pack, the package has no voice.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
architecture=$1 program=$2 pack=${3:-$repository/models/wren-en}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml")
out=$repository/target/deb
mkdir -p "$out"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

put() { install -D -m "$1" "$2" "$root/$3"; } # MODE FILE PATH
put 755 "$program" usr/bin/syrinx
case $architecture in
arm64) strip=aarch64-linux-gnu-strip ;;
*) strip=strip ;;
esac
"$strip" --strip-unneeded "$root/usr/bin/syrinx"
put 644 "$here/files/syrinx.socket" lib/systemd/system/syrinx.socket
put 644 "$here/files/syrinx@.service" lib/systemd/system/syrinx@.service
put 644 "$here/files/70-syrinx.rules" lib/udev/rules.d/70-syrinx.rules
put 644 "$here/files/syrinx.default" etc/default/syrinx
put 644 "$here/files/syrinx.limits" etc/security/limits.d/30-syrinx.conf
put 755 "$here/files/sd_syrinx" usr/lib/speech-dispatcher-modules/sd_syrinx
put 644 "$here/files/speechd.conf" etc/speech-dispatcher/modules/syrinx.conf
put 644 "$here/README.md" usr/share/doc/syrinx/README.md
if [ -f "$pack/pack.toml" ]; then
    for file in "$pack"/*; do put 644 "$file" "usr/share/syrinx/wren-en/${file##*/}"; done
else
    echo "syrinx: no pack at $pack: the package for $architecture has no voice" >&2
fi

# The newest of libc's versions that the program asks for.
libc=$(readelf -V "$root/usr/bin/syrinx" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do put 755 "$here/files/$script" "DEBIAN/$script"; done
printf '/etc/default/syrinx\n/etc/security/limits.d/30-syrinx.conf\n/etc/speech-dispatcher/modules/syrinx.conf\n' >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<EOF
Package: syrinx
Version: $version
Architecture: $architecture
Maintainer: Syrinx maintainers <syrinx@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: libc6 (>= ${libc#GLIBC_}), libstdc++6, libgcc-s1, libasound2 | libasound2t64
Section: sound
Priority: optional
Description: offline speech for devices
 Speaks text with models of the Voxtral TTS family, without a network.
EOF
dpkg-deb --root-owner-group --build "$root" "$out/syrinx_${version}_$architecture.deb"
