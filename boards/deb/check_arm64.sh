#!/bin/sh
# What can be seen of the package for arm64 on another machine: its fields and files, that what it links is what it
# depends on, and that the program in it speaks under emulation, with the kernels of each processor.
# boards/deb/check_arm64.sh PACKAGE PACK
set -eu
package=$1 pack=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "check: $1" >&2; exit 1; }

dpkg --info "$package"
[ "$(dpkg-deb -f "$package" Architecture)" = arm64 ] || fail "not for arm64"
dpkg-deb -x "$package" "$root"
for file in usr/bin/syrinx lib/systemd/system/syrinx.socket lib/systemd/system/syrinx@.service \
    lib/udev/rules.d/70-syrinx.rules etc/default/syrinx etc/security/limits.d/30-syrinx.conf; do
    [ -s "$root/$file" ] || fail "$file is missing"
done
file -b "$root/usr/bin/syrinx" | cut -d, -f1-3
file -b "$root/usr/bin/syrinx" | grep -q 'ELF 64-bit.*ARM aarch64.*, stripped' || fail "no stripped program for aarch64"

depends=$(dpkg-deb -f "$package" Depends)
readelf -d "$root/usr/bin/syrinx" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r library; do
    case $library in
    libasound.so.2) needed=libasound2 ;;
    libstdc++.so.6) needed=libstdc++6 ;;
    libgcc_s.so.1) needed=libgcc-s1 ;;
    libc.so.6 | libm.so.6 | ld-linux-aarch64.so.1) needed=libc6 ;;
    *) fail "nothing is known to provide $library" ;;
    esac
    case $depends in *"$needed"*) ;; *) fail "$library needs $needed, which is not among: $depends" ;; esac
done

# One program for every ARM: it speaks on each of these, and says which kernels it found.
export XDG_CACHE_HOME="$root/cache"
syrinx() { qemu-aarch64 "$root/usr/bin/syrinx" "$@"; }
for cpu_kernels in cortex-a53=neon cortex-a76=dotprod max=i8mm; do
    cpu=${cpu_kernels%=*} kernels=${cpu_kernels#*=}
    export QEMU_CPU="$cpu"
    says=$(syrinx --version)
    [ "$says" = "syrinx $(dpkg-deb -f "$package" Version)" ] || fail "the program says $says"
    rm -f "$root/out.wav"
    syrinx say "Doors closing." --pack "$pack" --max-seconds 2 -o "$root/out.wav"
    [ "$(wc -c <"$root/out.wav")" -gt 10000 ] || fail "nothing was spoken on a $cpu"
    found=$(syrinx doctor --pack "$pack" --frames 2 | grep '^kernels')
    case $found in
    *"$kernels; in llama.cpp $kernels") ;;
    *) fail "on a $cpu doctor says: $found" ;;
    esac
    echo "check: for arm64, $says, spoke $(wc -c <"$root/out.wav") bytes on an emulated $cpu, $found"
done
