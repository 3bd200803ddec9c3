// What ggml asks before it computes an operation itself. In: an operation of a graph and one thread's share of it. Out: whether
// a kernel of ours has computed it (extra.rs).
//
// ggml's door for other kernels in its CPU backend is an "extra buffer type", a class of its internal headers. Hence C++,
// compiled against the very sources that are linked: a door that has moved is an error when this is built, not a guess.

#include "extra.h"

#include "repack.h"

using syrinx::Kernel;

namespace {

struct Extra : ggml::cpu::extra_buffer_type {
    Kernel q4_k, q6_k, attention;

    Extra(syrinx_kernel q4_k, syrinx_kernel q6_k, syrinx_kernel attention)
        : q4_k(q4_k), q6_k(q6_k), attention(attention) {}

    // No weights lie in buffers of this type.
    bool supports_op(ggml_backend_dev_t, const ggml_tensor *) override { return false; }

    // Asked by every thread for every operation.
    ggml::cpu::tensor_traits * get_tensor_traits(const ggml_tensor * op) override {
        if (op->op == GGML_OP_FLASH_ATTN_EXT) {
            return &attention;
        }
        if (op->op != GGML_OP_MUL_MAT) {
            return nullptr;
        }
        const ggml_tensor * weights = op->src[0];
        if (weights->type == GGML_TYPE_Q4_K) {
            // On x86 ggml lays Q4_K out in one way, eights of rows; without AVX2 it leaves `extra` empty.
            const bool eights = weights->buffer && weights->buffer->buft == ggml_backend_cpu_repack_buffer_type();
            return eights && weights->extra ? &q4_k : nullptr;
        }
        if (weights->type == GGML_TYPE_Q6_K) {
            // As in the file, unless they lie in a buffer of another kind.
            const bool plain = !weights->buffer || ggml_backend_buffer_is_host(weights->buffer);
            return plain ? &q6_k : nullptr;
        }
        return nullptr;
    }
};

const char * name(ggml_backend_buffer_type_t) { return "SYRINX"; }
ggml_backend_buffer_t alloc(ggml_backend_buffer_type_t, size_t) { return nullptr; }
size_t alignment(ggml_backend_buffer_type_t) { return 32; }

}  // namespace

extern "C" {

// To be called once, while no graph is computed.
void syrinx_extra_register(syrinx_kernel q4_k, syrinx_kernel q6_k, syrinx_kernel attention) {
    static ggml_backend_buffer_type type = {};
    type.iface.get_name      = name;
    type.iface.alloc_buffer  = alloc;
    type.iface.get_alignment = alignment;
    syrinx::enter(type, new Extra(q4_k, q6_k, attention));
}

// Four rows of `len` activations, one behind the other, to `block_q8_Kx4`.
void syrinx_extra_round_four(const float * x, void * to, int64_t len) { ggml_quantize_mat_q8_K_4x8(x, to, len); }
}
