#!/bin/sh
# The program with llama.cpp's CUDA backend, compiled and linked on a machine without CUDA and without a GPU.
# NVIDIA's compiler and headers come from the Python registry (0.9 GB, once). Out: target/cuda/syrinx, and how large it is.
#
#   CUDA_ARCH   compute capabilities, as CMake has them: 87 is Orin, 90 H100 and H200
#   KERNELS     `all` of ggml's, or `ours`: those of kernels.txt alone, in a fifth of the time
#   FEATURES    of the program. Without `sound` it needs no ALSA where it is carried to.
#   JOBS        compilers at once; each takes up to 3 GB
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
out=$repository/target/cuda
toolkit=$out/toolkit/nvidia/cu13
features=cuda-no-vmm,${FEATURES:-cli,sound,import}
jobs=${JOBS:-$(nproc)}
export KERNELS="${KERNELS:-all}" CMAKE_CUDA_ARCHITECTURES="${CUDA_ARCH:-87-real;90-real}"

if [ ! -x "$toolkit/bin/nvcc" ]; then
    "$here/../setup.sh" python3-pip
    python3 -m pip install --quiet --no-deps --target "$out/toolkit" nvidia-cuda-nvcc==13.5.37 nvidia-nvvm==13.5.37 \
        nvidia-cuda-cuobjdump==13.5.37 nvidia-cuda-crt==13.5.37 nvidia-cuda-runtime==13.5.37 nvidia-cuda-cccl==13.3.5.0.6 nvidia-cublas==13.10.0.20
    # The wheels are laid out for programs that load libraries, not for CMake.
    chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
    ln -sfn lib "$toolkit/lib64"
    for library in cudart cublas cublasLt; do ln -sf "lib$library.so.13" "$toolkit/lib/lib$library.so"; done
fi

# What llama.cpp's crate links by name. CUDA's runtime is a static library, and opens the driver when it is first called; in
# place of cuBLAS is gemm.cu. Nothing of either is asked of the machine that the program is carried to.
mkdir -p "$out/link/lib64" "$out/static"
cp -u "$toolkit/lib/libcudart_static.a" "$out/link/lib64/"
for library in cublas_static cublasLt_static culibos; do
    [ -f "$out/link/lib64/lib$library.a" ] && continue
    echo "const char syrinx_without_$library[] = \"\";" | cc -x c -c - -o "$out/link/$library.o"
    ar rcs "$out/link/lib64/lib$library.a" "$out/link/$library.o"
done
ln -sf "$(c++ -print-file-name=libstdc++.a)" "$out/static/libstdc++.a"

export CUDACXX="$toolkit/bin/nvcc" CUDA_PATH="$toolkit" CUDA_LIBRARY_PATH="$out/link" PATH="$toolkit/bin:$toolkit/nvvm/bin:$PATH"
export CMAKE_CUDA_COMPILER_LAUNCHER="$here/compile.sh" CUDA_LOG="$out/compile.log" CMAKE_BUILD_PARALLEL_LEVEL="$jobs"
# Of key/value caches: those that Syrinx has.
export GGML_CUDA_FA_QUANTS="f16-f16;q8_0-q8_0"
# The program is for other machines than this one.
export SYRINX_PORTABLE=1 CARGO_TARGET_DIR="$out/program"
nvcc --version | tail -2 | head -1

cd "$repository"
started=$(date +%s)
cargo build --locked --release --lib --no-default-features --features "$features" -j "$jobs"
backend=$(ls -t "$CARGO_TARGET_DIR"/release/build/llama-cpp-sys-2-*/out/lib*/libggml-cuda.a | head -1)
built=$(dirname "$backend")

# CMake's architectures as the compiler's options: 87-real is code for 8.7, 87-virtual what a driver compiles, 87 both.
codes=""
for arch in $(echo "$CMAKE_CUDA_ARCHITECTURES" | tr ';' ' '); do
    number=${arch%-*}
    case $arch in
    *-real) codes="$codes -gencode arch=compute_$number,code=sm_$number" ;;
    *-virtual) codes="$codes -gencode arch=compute_$number,code=compute_$number" ;;
    *) codes="$codes -gencode arch=compute_$number,code=[compute_$number,sm_$number]" ;;
    esac
done
# shellcheck disable=SC2086 # a list of words
nvcc -O3 -std=c++17 $codes -Xcompiler -fPIC -c "$here/gemm.cu" -o "$out/gemm.o"
"$here/absent.sh" "$backend" "$built/libggml-base.a" "$built/libggml-cpu.a" "$built/libggml.a" "$toolkit/lib/libcudart_static.a" "$out/gemm.o" \
    >"$out/absent.c"
cc -O2 -fPIC -c "$out/absent.c" -o "$out/absent.o"

cargo rustc --locked --release --bin syrinx --no-default-features --features "$features" -j "$jobs" -- \
    -C link-arg="$out/gemm.o" -C link-arg="$out/absent.o" -C link-arg="-L$out/static"
strip -o "$out/syrinx" "$CARGO_TARGET_DIR/release/syrinx"
echo "cuda: $out/syrinx, $(wc -c <"$out/syrinx") bytes, $(xz -T0 -c "$out/syrinx" | wc -c) packed by xz, in $(($(date +%s) - started)) s"
cuobjdump --list-elf "$out/syrinx" | grep -o 'sm_[0-9]*' | sort | uniq -c | sed 's/^ */cuda: /; s/ sm_/ modules for sm_/'
echo "cuda: $(grep -c '^void absent_' "$out/absent.c") functions of ggml's that KERNELS=$KERNELS left out"
"$here/check_build.sh" "$out/syrinx"
