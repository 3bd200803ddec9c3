// What share.rs needs of ggml's thread pool, whose functions are in an internal header.

#include "ggml-cpu-impl.h"

extern "C" {

void syrinx_extra_barrier(ggml_threadpool * pool) { ggml_barrier(pool); }

void syrinx_extra_set_chunk(ggml_threadpool * pool, int chunk) { ggml_threadpool_chunk_set(pool, chunk); }

int syrinx_extra_next_chunk(ggml_threadpool * pool) { return ggml_threadpool_chunk_add(pool, 1); }
}
