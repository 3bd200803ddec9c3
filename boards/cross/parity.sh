#!/bin/sh
# The same frames by the x86 program and the emulated one, fed with the same past: boards/cross/parity.sh [PACK]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/paths.sh"

export QEMU_CPU="${QEMU_CPU:-cortex-a76}" SYRINX_TEST_RUNNER=qemu-aarch64
export SYRINX_TEST_OTHER="$repository/target/release/syrinx"
if [ $# != 0 ]; then
    SYRINX_TEST_PACK=$(cd "$1" && pwd)
    export SYRINX_TEST_PACK
fi
cd "$repository"
exec "$here/cargo.sh" test --release --workspace --test machine -- --include-ignored --nocapture
