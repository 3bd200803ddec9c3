#!/bin/sh
# Installs program and service in a fresh Debian, asks the service for a sentence where it is nobody and nothing can be written,
# by systemd's socket, and removes both again.
# Needs root, debootstrap and Debian's archive: boards/deb/check_serve.sh PACKAGE SERVICE [ROOT]. An existing ROOT is used as it is.
set -eu
package=$1 service=$2 root=${3:-}
if [ -z "$root" ]; then
    root=$(mktemp -d) && chmod 755 "$root" # a user without rights is to see it
    trap 'rm -rf "$root"' EXIT
    mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' | awk '$1 == "bookworm" { print $2; exit }')
    debootstrap --variant=minbase bookworm "$root" $mirror
fi
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }
fail() { echo "check_serve: $1" >&2; exit 1; }

cp "$package" "$root/tmp/syrinx.deb"
cp "$service" "$root/tmp/syrinx-serve.deb"
inside apt-get update -qq
inside apt-get install -y -qq /tmp/syrinx.deb /tmp/syrinx-serve.deb systemd
inside systemd-analyze verify /lib/systemd/system/syrinx-serve.socket /lib/systemd/system/syrinx-serve.service
inside systemd-analyze security --offline=true --threshold=20 /lib/systemd/system/syrinx-serve.service | tail -1

# As a container has it: a root that is only read, no rights. The socket is opened outside, as systemd does.
port=18880
unshare --mount sh -c "mount --bind '$root' '$root' && mount -o remount,ro,bind '$root' && cd '$root' && exec \
    systemd-socket-activate --listen=127.0.0.1:$port chroot --userspec=nobody:nogroup '$root' /usr/bin/syrinx-serve \
    --pack /usr/share/syrinx/wren-en" &
activated=$!
trap 'kill $activated 2>/dev/null || true; [ -n "${3:-}" ] || rm -rf "$root"' EXIT
sleep 1
sound=$(mktemp)
curl -sS --fail --retry 5 --retry-connrefused "http://127.0.0.1:$port/v1/audio/speech" -H content-type:application/json \
    -d '{"input": "Doors closing.", "response_format": "mp3"}' -o "$sound" || fail "nothing was answered"
[ "$(wc -c <"$sound")" -gt 4000 ] || fail "nothing was spoken"
kill $activated
wait $activated 2>/dev/null || true
inside apt-get purge -y -qq syrinx-serve syrinx
left=$(find "$root/usr" "$root/lib" "$root/etc" -name '*syrinx*' ! -path '*/dpkg/*' | grep . || true)
[ -z "$left" ] || fail "left behind: $left"
echo "check_serve: installed, spoke $(wc -c <"$sound") bytes of mp3 as nobody on a root that is only read, removed without trace"
rm -f "$sound"
