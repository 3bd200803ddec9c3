#!/bin/sh
# llama.cpp's CUDA backend for Orin (sm_87), as far as that can be compiled without CUDA's own packages or a GPU:
# CMake's configuration, and the sources whose kernels our two graphs use. boards/cross/cuda.sh [SOURCE...]
# NVIDIA's compiler and headers come from the Python registry (0.6 GB, once). Nothing is linked or run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
out=$repository/target/cuda
toolkit=$out/toolkit/nvidia/cu13

# What the ops of backbone and flow head need: short ones first. Not here: flash attention's and wide products'
# instances, over a hundred files that a frame's single row seldom reaches.
sources=${*:-scale concat getrows set-rows cpy norm rope quantize softmax unary binbcast convert mmvf mmvq ggml-cuda}

if [ ! -x "$toolkit/bin/nvcc" ]; then
    "$here/../setup.sh" python3-pip
    python3 -m pip install --quiet --no-deps --target "$out/toolkit" nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 \
        nvidia-cuda-cuobjdump==13.5.37 nvidia-cuda-crt==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-cccl==13.3.5.0.6 nvidia-cublas==13.10.0.20
    # The wheels are laid out for programs that load libraries, not for CMake.
    chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
    ln -sfn lib "$toolkit/lib64"
    for library in cudart cublas cublasLt; do ln -sf "lib$library.so.13" "$toolkit/lib/lib$library.so"; done
    mkdir -p "$toolkit/lib/stubs"
    echo | cc -shared -Wl,-soname,libcuda.so.1 -x c - -o "$toolkit/lib/stubs/libcuda.so"
fi
export CUDACXX="$toolkit/bin/nvcc" PATH="$toolkit/bin:$toolkit/nvvm/bin:$PATH"
nvcc --version | tail -2 | head -1

# The source that Cargo.lock names, with the crate's own switches for `cuda`.
source=$(cd "$repository" && cargo metadata --locked --format-version 1 |
    grep -o '"manifest_path":"[^"]*/llama-cpp-sys-2-[^"]*/Cargo.toml"' | head -1 | cut -d'"' -f4)
build=$out/build
cmake -S "$(dirname "$source")/llama.cpp" -B "$build" -DGGML_CUDA=ON -DGGML_CUDA_NCCL=OFF -DGGML_NATIVE=OFF \
    -DGGML_OPENMP=OFF -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES=87 -DBUILD_SHARED_LIBS=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF \
    -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_APP=OFF >"$build.log" 2>&1 || { tail -20 "$build.log" >&2; exit 1; }
grep -h 'CUDA Toolkit found\|CMAKE_CUDA_ARCHITECTURES=\|CUDA compiler' "$build.log"

objects=$build/ggml/src/ggml-cuda
for name in $sources; do
    started=$(date +%s)
    make -s -C "$objects" -f Makefile "$name.cu.o" >"$out/$name.log" 2>&1 || { tail -20 "$out/$name.log" >&2; exit 1; }
    object=$objects/CMakeFiles/ggml-cuda.dir/$name.cu.o
    # The fat binary must hold code for Orin.
    kernels=$(cuobjdump --list-elf "$object" 2>/dev/null | grep -c 'sm_87') || true
    echo "$name.cu: $(wc -c <"$object") bytes, $kernels of sm_87, $(($(date +%s) - started)) s"
done
echo "cuda-check: compiled for sm_87: $sources"
