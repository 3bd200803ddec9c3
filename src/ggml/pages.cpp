// Tells of the memory that ggml takes for its buffers on the processor. In: a function to tell. Out: each buffer's address and
// size, on the thread that made it, before anything is written there. All other types of buffers on the processor come from this
// one. C++ for the reason of kernel/extra.cpp: the table of functions is in an internal header.

#include "ggml-backend-impl.h"

namespace {

ggml_backend_buffer_t (*alloc)(ggml_backend_buffer_type_t, size_t);
void (*tell)(void * base, size_t bytes);

ggml_backend_buffer_t alloc_and_tell(ggml_backend_buffer_type_t type, size_t bytes) {
    const ggml_backend_buffer_t buffer = alloc(type, bytes);
    if (buffer) {
        tell(ggml_backend_buffer_get_base(buffer), bytes);
    }
    return buffer;
}

}  // namespace

// To be called once, before anything else of ggml's in this process, or at least while no buffer is made.
extern "C" void syrinx_pages_watch(void (*function)(void *, size_t)) {
    const ggml_backend_buffer_type_t type = ggml_backend_cpu_buffer_type();
    tell  = function;
    alloc = type->iface.alloc_buffer;
    type->iface.alloc_buffer = alloc_and_tell;
}
