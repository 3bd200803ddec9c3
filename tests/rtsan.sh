#!/bin/sh
# The device callbacks, and what C's callers render, under the runtime of LLVM's RealtimeSanitizer, which Rust brings along: what blocks or may block
# in libc, free locks among it, ends the test with a stack. Only the test itself is built and linked anew.
set -eu
runtime=$(find "$(rustc --print sysroot)/lib/rustlib" -name 'librustc-*_rt.rtsan.a' | head -n 1)
[ -n "$runtime" ] || { echo "this Rust brings no RealtimeSanitizer along: 1.95 for x86-64 Linux does" >&2; exit 1; }
check() { # PACKAGE TEST
    program=$(cargo rustc --release -p "$1" --test "$2" --message-format json-render-diagnostics -- --cfg rtsan \
        -C link-arg=-Wl,--whole-archive -C "link-arg=$runtime" -C link-arg=-Wl,--no-whole-archive |
        sed -n 's/.*"executable":"\([^"]*'"$2"'[^"]*\)".*/\1/p')
    "$program" --test-threads 1
}
check syrinx realtime_callback
check syrinx-c render
