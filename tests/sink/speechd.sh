#!/usr/bin/env bash
# A private speech-dispatcher whose only module is the program, while a command runs that speaks by it.
# Its buffer is the one that boards/deb/speechd.md recommends for machines like those that run tests: with the server's own
# 10 ms any module has gaps there, and so has a player that holds all of its sound.
# usage: speechd.sh SYRINX PACK COMMAND...
set -eu
syrinx=$1 pack=$2
shift 2
dir=$(mktemp -d)
mkdir -p "$dir/modules" "$dir/config/modules" "$dir/run"
printf '#!/bin/sh\nexec "%s" speechd-module "$@"\n' "$syrinx" >"$dir/modules/sd_syrinx"
chmod +x "$dir/modules/sd_syrinx"
printf 'SyrinxPack "%s"\n' "$pack" >"$dir/config/modules/syrinx.conf"
cat >"$dir/config/speechd.conf" <<END
DefaultVolume 100
AudioOutputMethod "pulse"
AudioPulseMinLength 100
AddModule "syrinx" "sd_syrinx" "syrinx.conf" "$dir/module.log"
DefaultModule syrinx
END
export XDG_RUNTIME_DIR=$dir/run SPEECHD_ADDRESS=unix_socket:$dir/socket
speech-dispatcher --run-single --communication-method unix_socket --socket-path "$dir/socket" --pid-file "$dir/pid" \
  --config-dir "$dir/config" --module-dir "$dir/modules" --log-dir "$dir" --timeout 0 >"$dir/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.1; done
[ -S "$dir/socket" ] || { cat "$dir/server.log" >&2; exit 3; }
status=0
"$@" || status=$?
[ $status = 0 ] || cat "$dir"/*.log >&2
exit $status
