// In: calls of cuBLAS, as ggml makes them. Out: the same products by one plain kernel.
//
// cuBLAS is a library of 600 MB, or as much in the program. ggml asks it only for products with F32 and F16 matrices of
// more columns than its own kernels take: prompts of packs that are not quantised, and attention with a cache of F32. So a
// program that is carried around has this instead: slow, and right. Sums are of F32, so nothing is rounded to TF32.
//
// It also keeps ggml from its kernels for four to sixteen columns of such matrices (mmf), which are not compiled with it.

#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

struct cublasContext {
    cudaStream_t stream;
};

namespace {

__device__ float value(float x) { return x; }
__device__ float value(__half x) { return __half2float(x); }
__device__ float value(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ void store(float * to, float x) { *to = x; }
__device__ void store(__half * to, float x) { *to = __float2half(x); }
__device__ void store(__nv_bfloat16 * to, float x) { *to = __float2bfloat16(x); }

// Matrices of a batch lie at a distance, or where a list on the device says.
template <typename T> struct Matrices {
    T * first;
    long long distance;
    T * const * list;
    long long rows;

    __device__ T * operator[](unsigned i) const { return list ? list[i] : first + i * distance; }
};

// c[i, j] = sum over k of a[k, i] b[k, j], a column after the other.
template <typename In, typename Out>
__global__ void products(Matrices<const In> a, Matrices<const In> b, Matrices<Out> c, int m, int k) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int j = blockIdx.y;
    if (i >= m) {
        return;
    }
    const In * row = a[blockIdx.z] + i * a.rows;
    const In * column = b[blockIdx.z] + j * b.rows;
    float sum = 0.0f;
    for (int l = 0; l < k; ++l) {
        sum += value(row[l]) * value(column[l]);
    }
    store(c[blockIdx.z] + i + j * c.rows, sum);
}

struct Call {
    cudaStream_t stream;
    int m, n, k, batch;
};

template <typename In, typename Out>
cublasStatus_t start(const Call & call, Matrices<const In> a, Matrices<const In> b, Matrices<Out> c) {
    const unsigned threads = 64;
    // A grid's second and third side end at 65535.
    if (call.n > 65535 || call.batch > 65535) {
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    const dim3 grid((call.m + threads - 1) / threads, call.n, call.batch);
    products<In, Out><<<grid, threads, 0, call.stream>>>(a, b, c, call.m, call.k);
    return cudaGetLastError() == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

struct Place {
    const void * first;
    long long distance;
    const void * list;
    int rows;
    cudaDataType type;

    template <typename T> Matrices<T> of() const {
        return { (T *) first, distance, (T * const *) list, rows };
    }
};

template <typename In> cublasStatus_t start(const Call & call, const Place & a, const Place & b, const Place & c) {
    const auto x = a.of<const In>(), y = b.of<const In>();
    switch (c.type) {
        case CUDA_R_32F:  return start(call, x, y, c.of<float>());
        case CUDA_R_16F:  return start(call, x, y, c.of<__half>());
        case CUDA_R_16BF: return start(call, x, y, c.of<__nv_bfloat16>());
        default:          return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

bool is(const void * scalar, cublasComputeType_t type, float expected) {
    const bool half = type == CUBLAS_COMPUTE_16F;
    return (half ? __half2float(*(const __half *) scalar) : *(const float *) scalar) == expected;
}

cublasStatus_t start(const Call & call, cublasOperation_t of_a, cublasOperation_t of_b, const void * alpha, const void * beta,
                     cublasComputeType_t compute, const Place & a, const Place & b, const Place & c) {
    // What ggml asks for, and nothing else.
    if (of_a != CUBLAS_OP_T || of_b != CUBLAS_OP_N || a.type != b.type || !is(alpha, compute, 1.0f) || !is(beta, compute, 0.0f)) {
        return CUBLAS_STATUS_NOT_SUPPORTED;
    }
    switch (a.type) {
        case CUDA_R_32F:  return start<float>(call, a, b, c);
        case CUDA_R_16F:  return start<__half>(call, a, b, c);
        case CUDA_R_16BF: return start<__nv_bfloat16>(call, a, b, c);
        default:          return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

} // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t * handle) {
    *handle = new cublasContext{};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void *, size_t) { return CUBLAS_STATUS_SUCCESS; }

const char * cublasGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_NOT_SUPPORTED ? "a product that boards/gpu/gemm.cu lacks" : "a product failed";
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t of_a, cublasOperation_t of_b, int m, int n, int k,
                              const float * alpha, const float * a, int lda, const float * b, int ldb, const float * beta,
                              float * c, int ldc) {
    return start({ handle->stream, m, n, k, 1 }, of_a, of_b, alpha, beta, CUBLAS_COMPUTE_32F,
                 { a, 0, nullptr, lda, CUDA_R_32F }, { b, 0, nullptr, ldb, CUDA_R_32F }, { c, 0, nullptr, ldc, CUDA_R_32F });
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t of_a, cublasOperation_t of_b, int m, int n, int k,
                            const void * alpha, const void * a, cudaDataType type_a, int lda, const void * b,
                            cudaDataType type_b, int ldb, const void * beta, void * c, cudaDataType type_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
    return start({ handle->stream, m, n, k, 1 }, of_a, of_b, alpha, beta, compute, { a, 0, nullptr, lda, type_a },
                 { b, 0, nullptr, ldb, type_b }, { c, 0, nullptr, ldc, type_c });
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t of_a, cublasOperation_t of_b, int m, int n,
                                          int k, const void * alpha, const void * a, cudaDataType type_a, int lda,
                                          long long stride_a, const void * b, cudaDataType type_b, int ldb,
                                          long long stride_b, const void * beta, void * c, cudaDataType type_c, int ldc,
                                          long long stride_c, int batch, cublasComputeType_t compute, cublasGemmAlgo_t) {
    return start({ handle->stream, m, n, k, batch }, of_a, of_b, alpha, beta, compute, { a, stride_a, nullptr, lda, type_a },
                 { b, stride_b, nullptr, ldb, type_b }, { c, stride_c, nullptr, ldc, type_c });
}

cublasStatus_t cublasGemmBatchedEx(cublasHandle_t handle, cublasOperation_t of_a, cublasOperation_t of_b, int m, int n, int k,
                                   const void * alpha, const void * const a[], cudaDataType type_a, int lda,
                                   const void * const b[], cudaDataType type_b, int ldb, const void * beta, void * const c[],
                                   cudaDataType type_c, int ldc, int batch, cublasComputeType_t compute, cublasGemmAlgo_t) {
    return start({ handle->stream, m, n, k, batch }, of_a, of_b, alpha, beta, compute, { nullptr, 0, a, lda, type_a },
                 { nullptr, 0, b, ldb, type_b }, { nullptr, 0, c, ldc, type_c });
}

} // extern "C"
