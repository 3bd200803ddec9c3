#!/bin/sh
# The GPU check, of one call: what the program does on this machine's NVIDIA GPU, and how soon, beside the processor.
# boards/gpu/carry.sh packs it with all that it needs; on the machine: ./check.sh >table.md
# It needs the driver and a shell, nothing else. With --processor it goes through everything without a GPU, to try the script.
# Ends with 3 where there is no GPU, with 1 where a check fails; the table says which.
set -eu
cd "$(dirname "$0")"
only_processor=
[ "${1:-}" != --processor ] || only_processor=1
threads=$(nproc)
[ "$threads" -le 4 ] || threads=4
turns=${TURNS:-3}
large=${LARGE-voxtral-4b} # a synthetic pack of this size, where the disk has room for it
failed=0
note() { echo "$*" >&2; }
row() { echo "| $1 | $2 |"; }
# A check's row: its name, and a command; what it says stands in the file `said`.
check() {
    name=$1
    shift
    if "$@" >said 2>&1; then
        row "$name" passed
    else
        failed=1
        row "$name" "FAILED: $(tail -n 1 said | cut -c 1-160)"
    fi
}
syrinx() { ./syrinx "$@"; }
# No GPU is seen: ggml computes on the processor.
on_processor() { CUDA_VISIBLE_DEVICES= ./syrinx "$@"; }
# A number of a report: the median of a stage, or a value by its name.
median() { sed "s/.*\"$1\":{[^}]*\"p50\":\([0-9.]*\).*/\1/"; }
value() { sed "s/.*\"$1\":\([0-9.]*\).*/\1/"; }

if [ -z "$only_processor" ] && ! nvidia-smi -L 2>/dev/null | grep . >gpu; then
    note "check: there is no NVIDIA GPU here (nvidia-smi lists none): nothing was checked"
    exit 3
fi
[ -z "$only_processor" ] || echo "none: the processor alone" >gpu
echo "| check | $(head -n 1 gpu | sed 's/ (UUID.*//'), $(uname -m), $threads threads |"
echo "|---|---|"

# 1. The numbers: goldens of both tiny checkpoints, every stage, fed frame by frame with the reference. The GPU adds in another order.
for golden in tiny:8 odd:6; do
    name=${golden%:*}
    check "goldens, $name checkpoint" syrinx trace --pack "$name" --text "Hello world, this is a small test." \
        --voice neutral_female --frames "${golden#*:}" --noise "golden_$name.safetensors" --teacher "golden_$name.safetensors" \
        --against "golden_$name.safetensors" --within "${WITHIN:-2e-3}" --out traced
done

# 2. What is given out as it is made equals the whole file, and the same seed gives the same samples again.
whole() { syrinx say "In three hundred metres, turn left." --pack wren-en --seed 1 -o whole.wav; }
streamed() {
    syrinx say "In three hundred metres, turn left." --pack wren-en --seed 1 -o - >streamed.pcm
    tail -c "$(wc -c <streamed.pcm)" whole.wav | cmp - streamed.pcm
}
check "wren speaks" whole
check "streamed equals whole" streamed

# 3. What doctor says.
doctor() { syrinx doctor --pack wren-en | grep -E '^(OK|WARNING|ERROR)? *GPU' | grep -v 'PROCESSOR'; }
[ -n "$only_processor" ] || check "doctor: the GPU is used" doctor

# 4. Time by stage, in turns with the processor; memory beside it.
timed() { # PACK FRAMES
    : >gpu.json
    : >processor.json
    turn=0
    while [ "$turn" -lt "$turns" ]; do
        turn=$((turn + 1))
        syrinx bench --pack "$1" --threads "$threads" --frames "$2" --no-verify --json >>gpu.json 2>said || { failed=1; row "$1" "FAILED: $(tail -n 1 said)"; return; }
        on_processor bench --pack "$1" --threads "$threads" --frames "$2" --no-verify --json >>processor.json 2>said
    done
    for stage in backbone flow codec total; do
        row "$1, $stage, ms a frame: GPU; processor" "$(median $stage <gpu.json | tr '\n' ' '); $(median $stage <processor.json | tr '\n' ' ')"
    done
    row "$1, first audio, ms: GPU; processor" "$(value ttfa_ms <gpu.json | tr '\n' ' '); $(value ttfa_ms <processor.json | tr '\n' ' ')"
    row "$1, peak memory of the process, MB" "$(value rss_peak_mb <gpu.json | tail -n 1); $(value rss_peak_mb <processor.json | tail -n 1)"
    # The flow head's steps replayed as a CUDA graph, and one by one.
    GGML_CUDA_DISABLE_GRAPHS=1 ./syrinx bench --pack "$1" --threads "$threads" --frames "$2" --no-verify --json >plain.json 2>said || return
    row "$1, flow, ms a frame without CUDA graphs" "$(median flow <plain.json)"
}
timed wren-en 100
if [ -n "$large" ] && [ "$(df -Pk . | awk 'NR == 2 { print $4 }')" -gt 6000000 ]; then
    syrinx pack --synthetic "$large" --recipe q4-all --to large >&2
    timed large 12
    # 5. A cancel while a prompt is fed, and in mid-speech.
    if syrinx bench realtime --pack large --threads "$threads" --no-verify --runs 5 --cancels 40 --minutes 0.05 --load 0 --memory-minutes 0.1 --json >realtime.json 2>said; then
        row "large, from a cancel to silence, p99, ms" "$(grep -o '"cancel_ms":{[^}]*}' realtime.json | value p99)"
    else
        failed=1
        row "large, realtime" "FAILED: $(tail -n 1 said)"
    fi
    rm -rf large
else
    note "check: no room for a pack of the true size (6 GB), or LARGE is empty: wren alone was measured"
fi
[ -n "$only_processor" ] || nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >&2 || true
exit $failed
