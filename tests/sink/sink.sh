#!/usr/bin/env bash
# A real, clocked sound device without a sound card: a private PulseAudio with a null sink, whose monitor is recorded.
# usage: sink.sh OUT.f32 RATE COMMAND...    COMMAND plays to the default device; OUT gets raw mono floats.
# SINK_ARGUMENTS: more for the null sink.
set -eu
out=$1 rate=$2
shift 2
dir=$(mktemp -d)
export PULSE_RUNTIME_PATH=$dir PULSE_STATE_PATH=$dir HOME=$dir PULSE_SERVER=unix:$dir/native
server='' zeros='' recorder=''
# shellcheck disable=SC2086 # process numbers, or nothing
trap 'kill $recorder $zeros $server 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
pulseaudio -n --daemonize=no --exit-idle-time=-1 --disallow-exit=no --use-pid-file=no --realtime=no --high-priority=no \
  -L "module-null-sink sink_name=tape rate=$rate channels=1 format=float32le ${SINK_ARGUMENTS:-}" \
  -L "module-native-protocol-unix socket=$dir/native auth-anonymous=1" >"$dir/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do pactl info >/dev/null 2>&1 && break; sleep 0.1; done
pactl info >/dev/null || { cat "$dir/server.log" >&2; exit 3; }
# An idle null sink works in blocks of 2 s; a stream of zeros keeps them short and changes no sample.
pacat -d tape --rate="$rate" --channels=1 --format=float32le --latency-msec=20 </dev/zero &
zeros=$!
sleep 2.5
parec -d tape.monitor --rate="$rate" --channels=1 --format=float32le --latency-msec=20 --raw >"$out" &
recorder=$!
sleep 0.5
status=0
"$@" || status=$?
sleep 0.7
kill $recorder
wait $recorder 2>/dev/null || true
recorder=''
exit $status
