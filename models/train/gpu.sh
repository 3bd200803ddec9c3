#!/bin/bash
# The whole recipe for one quarter of an hour on a GPU that reaches no network, in two calls.
#
#   ./gpu.sh prepare BUNDLE             here: teacher, lines with phonemes and durations, in one file to carry there
#   ./gpu.sh train BUNDLE RESULTS       there: speech, tables, language model and codec anew, the codec on drawn values, export
#
# `prepare` wants WREN_HOME with `teacher` done, and what README.md asks for; `train` only torch, NumPy, onnx and safetensors.
# RESULTS gets the checkpoint in F16 in pieces of 15 MB (`cat checkpoint.tar.*`), the tables, the log and the figures on the way.
# Minutes are those of a card with 80 GB; they, and the numbers of lines, may be set from outside for a trial of a few minutes.
set -euo pipefail
cd "$(dirname "$0")"
: "${PARTS:=8}" "${LINES:=1100}" "${SCRIPTS:=4}" "${SCRIPT_LINES:=6000}" "${VALUES:=36}" "${DEVICE:=cuda}"
: "${SPEECH_MINUTES:=1.9}" "${SIDE_MINUTES:=6}" "${CODEC_MINUTES:=2.5}" "${LANGUAGE_BATCH:=0}" "${CODEC_BATCH:=32}" "${HOURS:=12}"
: "${VERSION:=0.3.0}" "${FIRST:=0}" "${PHONES:=0.67}" "${PYTHON:=python3}"

wren() { "$PYTHON" -m wren "$@"; }
on_device() { wren --device "$DEVICE" "$@"; }

# of several jobs in the background, fail with any that fails
all_of() { for job in "$@"; do wait "$job"; done; }

prepare() {
    local bundle=$1 part
    for part in $(seq "$FIRST" $((FIRST + PARTS - 1))); do wren lines corpus --part "$part" --count "$LINES"; done
    for part in $(seq "$FIRST" $((FIRST + SCRIPTS - 1))); do
        wren lines script --part "$part" --count "$SCRIPT_LINES"
        wren script --part "$part"
    done
    tar -C "$WREN_HOME" -cf - teacher lines script | xz -T0 -6 >"$bundle"
    ls -l "$bundle"
}

train() {
    local bundle=$1 results=$2 jobs=() part
    export WREN_HOME=${WREN_HOME:-$(mktemp -d)}
    mkdir -p "$results" "$WREN_HOME"
    "$PYTHON" - "$bundle" "$WREN_HOME" <<'EOF'
import sys, tarfile
with tarfile.open(sys.argv[1]) as bundle:
    bundle.extractall(sys.argv[2], filter="data")
EOF
    cp tables/codes.json "$WREN_HOME"
    for part in $(seq "$FIRST" $((FIRST + PARTS - 1))); do on_device corpus --part "$part" --minutes "$SPEECH_MINUTES" & jobs+=($!); done
    all_of "${jobs[@]}"
    on_device acoustics --values "$VALUES"
    jobs=()
    for part in $(seq "$FIRST" $((FIRST + PARTS - 1))); do wren tokens corpus --part "$part" --phones "$PHONES" & jobs+=($!); done
    for part in $(seq "$FIRST" $((FIRST + SCRIPTS - 1))); do wren tokens script --part "$part" --phones "$PHONES" & jobs+=($!); done
    all_of "${jobs[@]}"
    on_device language --minutes "$SIDE_MINUTES" --decay 2.2 --spoken 0.5 --batch "$LANGUAGE_BATCH" >"$results/language.log" & jobs=($!)
    on_device codec --minutes "$SIDE_MINUTES" --batch "$CODEC_BATCH" >"$results/codec.log" & jobs+=($!)
    all_of "${jobs[@]}"
    on_device drawn --hours "$HOURS"
    on_device codec --minutes "$CODEC_MINUTES" --decay "$CODEC_MINUTES" --batch "$CODEC_BATCH" >>"$results/codec.log"
    wren export "$VERSION" --half
    cp "$WREN_HOME"/{log.md,codes.json,acoustics.npz} "$results"
    tar -C "$WREN_HOME/export" -cf - . | split -b 15M - "$results/checkpoint.tar."
}

case "${1-} $#" in
"prepare 2") prepare "$2" ;;
"train 3") train "$2" "$3" ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
