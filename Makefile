# Two commands do everything on a fresh Debian 12 or Ubuntu 22.04/24.04 machine:
#   make say TEXT="Turn left in three hundred metres."
#   make test

TEXT ?= Hello. This is Syrinx, speaking on your device.
# The default pack, or noise of the same form where there is none.
PACK ?= $(if $(wildcard models/wren-en/pack.toml),models/wren-en,target/packs/tiny)
SYRINX = target/release/syrinx

.PHONY: say test build setup fmt clippy fuzz clean
.DEFAULT_GOAL := say

say: build $(PACK)/pack.toml
	$(SYRINX) say "$(TEXT)" --pack $(PACK) -o out.wav $(SAY)

test: setup fmt clippy
	cargo test --release --workspace

build: setup
	cargo build --release

setup:
	@boards/setup.sh

fmt: setup
	cargo fmt --all --check

# In the release profile, as everything here, so that llama.cpp is built once.
clippy: setup
	cargo clippy --release --workspace --all-targets -- -D warnings

target/packs/tiny/pack.toml: | build
	$(SYRINX) pack --synthetic tiny --recipe q8 --to target/packs/tiny

# Ten minutes of each fuzz target: the reader of GGUF files and that of voice files.
FUZZ_SECONDS ?= 600
fuzz: setup
	quant/fuzz/run.sh $(FUZZ_SECONDS)

clean:
	cargo clean
