#!/bin/sh
# Installs the package in a fresh Debian, speaks to a file as a user without rights, and removes it again.
# Needs root, debootstrap and Debian's archive: boards/deb/check.sh PACKAGE PACK [ROOT]. An existing ROOT is used as it is.
set -eu
package=$1 pack=$2 root=${3:-}
if [ -z "$root" ]; then
    root=$(mktemp -d) && chmod 755 "$root" # a user without rights is to see it
    trap 'rm -rf "$root"' EXIT
    # From where this machine has its own packages, if it is a Debian: else debootstrap knows where.
    mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' | awk '$1 == "bookworm" { print $2; exit }')
    debootstrap --variant=minbase bookworm "$root" $mirror
fi
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }
fail() { echo "check: $1" >&2; exit 1; }
traces() { find "$root/usr" "$root/lib" "$root/etc" -name '*syrinx*' ! -path '*/dpkg/*' | grep . || true; }

cp "$package" "$root/tmp/syrinx.deb"
rm -rf "$root/tmp/pack" && cp -r "$pack" "$root/tmp/pack"
inside apt-get update -qq
inside apt-get install -y -qq --no-install-recommends /tmp/syrinx.deb systemd
inside systemd-analyze verify /lib/systemd/system/syrinx.socket /lib/systemd/system/syrinx@.service
inside systemd-analyze security --offline=true --threshold=40 /lib/systemd/system/syrinx@.service | tail -1
rm -rf "$root/tmp/out" && install -d -m 777 "$root/tmp/out"
inside setpriv --reuid nobody --regid nogroup --clear-groups --no-new-privs env HOME=/nonexistent \
    syrinx say "Doors closing." --pack /tmp/pack --max-seconds 2 -o /tmp/out/out.wav
[ "$(wc -c <"$root/tmp/out/out.wav")" -gt 10000 ] || fail "nothing was spoken"
inside apt-get purge -y -qq syrinx
left=$(traces)
[ -z "$left" ] || fail "left behind: $left"
echo "check: installed, spoke $(wc -c <"$root/tmp/out/out.wav") bytes, removed without trace"
