#!/bin/sh
# The tests of kernels, goldens and speech on emulated Arm processors: boards/cross/test.sh [CPU...]
# With them: that each chooses the kernels it should, and computes what the x86 program does.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/paths.sh"

fail() { echo "test-aarch64: $1" >&2; exit 1; }

# What Syrinx must choose on a processor.
kernels_of() {
    case $1 in
    cortex-a53 | cortex-a57 | cortex-a72) echo neon ;;
    cortex-a76 | neoverse-n1) echo dotprod ;;
    max) echo i8mm ;;
    *) fail "do not know what kernels to expect on $1" ;;
    esac
}

cd "$repository"
export SYRINX_TEST_RUNNER=qemu-aarch64 SYRINX_TEST_OTHER="$repository/target/release/syrinx"
"$here/cargo.sh" build --release
file "$program" | cut -d, -f1-3
file "$program" | grep -q 'ELF 64-bit.*ARM aarch64' || fail "$program is not for aarch64"

# llama.cpp's kernels are chosen when it is built: without what they need, the program must say so.
cpus="cortex-a53 cortex-a76 max"
if [ "$arm" != armv8-a ]; then
    cpus="cortex-a76 max"
    said=$(QEMU_CPU=cortex-a53 SYRINX_TEST_ISA=neon "$here/cargo.sh" test --release --workspace --test speech threads 2>&1) &&
        fail "a build for $arm ran on a cortex-a53"
    echo "$said" | grep -m 1 'which this processor lacks' || fail "a build for $arm died on a cortex-a53: $said"
fi
[ $# = 0 ] || cpus=$*

for cpu in $cpus; do
    QEMU_CPU=$cpu SYRINX_TEST_ISA=$(kernels_of "$cpu")
    export QEMU_CPU SYRINX_TEST_ISA
    echo "== $cpu, $(qemu-aarch64 --version | head -1): llama.cpp for $arm, kernels must be $SYRINX_TEST_ISA"
    "$here/cargo.sh" test --release --workspace --test machine -- --include-ignored --nocapture
    # The emulator takes advice on huge pages and does not pass it on, so two tests of it cannot pass there.
    "$here/cargo.sh" test --release --workspace --exclude syrinx-python --exclude syrinx-serve --lib --test parity --test speech --test blocks \
        --test gguf --test pack --test voices -- --skip memory_that_came_later_gets_the_hint_once --skip that_this_thread_loads_get_huge_pages
    "$here/cargo.sh" test --release --workspace --test realtime_speech streamed
done
echo "test-aarch64: passed on $cpus, llama.cpp for $arm"
