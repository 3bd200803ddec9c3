// What ggml asks before it computes an operation itself. In: an operation of a graph and one thread's share of it. Out: whether
// a kernel of ours has computed it (extra.rs).
//
// ggml's door for other kernels in its CPU backend is an "extra buffer type", a class of its internal headers. Hence C++,
// compiled against the very sources that are linked: a door that has moved is an error when this is built, not a guess.

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-cpu-impl.h"
#include "repack.h"
#include "traits.h"

extern "C" {
// `Share` in share.rs.
struct syrinx_share {
    int               thread;
    int               threads;
    void *            work;
    size_t            work_bytes;
    ggml_threadpool * pool;
};

// False where it is ggml's to compute, alike for all threads of an operation.
typedef bool (*syrinx_kernel)(const syrinx_share *, const ggml_tensor *);
}

namespace {

struct Kernel : ggml::cpu::tensor_traits {
    syrinx_kernel run;

    explicit Kernel(syrinx_kernel run) : run(run) {}

    // What ggml plans for its own way holds the rounded activations too, and that way stands in where ours declines: so the plan
    // stays ggml's, and `Share::work` in share.rs looks whether there is room.
    bool work_size(int, const ggml_tensor *, size_t &) override { return false; }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        if (params->use_ref) {
            return false;
        }
        const syrinx_share share = { params->ith, params->nth, params->wdata, params->wsize, params->threadpool };
        return run(&share, op);
    }
};

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

// Before ggml's own extra types, of which the first that computes an operation has it. To be called once, while no graph is
// computed.
void syrinx_extra_register(syrinx_kernel q4_k, syrinx_kernel q6_k, syrinx_kernel attention) {
    static ggml_backend_buffer_type type = {};
    type.iface.get_name      = name;
    type.iface.alloc_buffer  = alloc;
    type.iface.get_alignment = alignment;
    type.device              = ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
    type.context             = new Extra(q4_k, q6_k, attention);  // for good, as ggml keeps it
    auto & types = ggml_backend_cpu_get_extra_buffer_types();
    types.insert(types.begin(), &type);
}

void syrinx_extra_barrier(ggml_threadpool * pool) { ggml_barrier(pool); }

void syrinx_extra_set_chunk(ggml_threadpool * pool, int chunk) { ggml_threadpool_chunk_set(pool, chunk); }

int syrinx_extra_next_chunk(ggml_threadpool * pool) { return ggml_threadpool_chunk_add(pool, 1); }

// Four rows of `len` activations, one behind the other, to `block_q8_Kx4`.
void syrinx_extra_round_four(const float * x, void * to, int64_t len) { ggml_quantize_mat_q8_K_4x8(x, to, len); }
}
