// Weights on ARM in a layout of our own. In: what llama.cpp loads, and ggml's operations. Out: weights of Q4_K and Q6_K laid out
// anew (layout.rs), and who computes with them (extra.rs). As ggml's own repacked weights they are a copy: of the file's, nothing
// stays in memory.

#include "../extra.h"

#include <cstdlib>

using syrinx::Kernel;

extern "C" {
// Lays out all rows of a tensor. False where it cannot.
typedef bool (*syrinx_pack)(const ggml_tensor *, const void * from, void * to, size_t bytes);
}

namespace {

struct Product : Kernel {
    size_t column_bytes;  // of rounded activations, to 256 of them

    Product(syrinx_kernel run, size_t column_bytes) : Kernel(run), column_bytes(column_bytes) {}

    bool work_size(int, const ggml_tensor * op, size_t & size) override {
        size = ggml_nelements(op->src[1]) / 256 * column_bytes;
        return true;
    }

    // ggml would take the layout for its own.
    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        if (!computes(params, op)) {
            GGML_ABORT("%s: this product's shape is none that its weights were laid out for", op->src[0]->name);
        }
        return true;
    }
};

bool is_ours(const ggml_tensor * weights);

struct Extra : ggml::cpu::extra_buffer_type {
    Product     q4_k, q6_k;
    Kernel      attention;
    syrinx_pack pack;
    int         rows;

    Extra(Product q4_k, Product q6_k, Kernel attention, syrinx_pack pack, int rows)
        : q4_k(q4_k), q6_k(q6_k), attention(attention), pack(pack), rows(rows) {}

    // What llama.cpp asks before it puts weights here, and the scheduler before it computes with them.
    bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) override {
        if (op->op != GGML_OP_MUL_MAT) {
            return false;
        }
        const ggml_tensor * weights = op->src[0];
        const ggml_tensor * x       = op->src[1];
        const bool laid_out = weights->type == GGML_TYPE_Q4_K || weights->type == GGML_TYPE_Q6_K;
        return laid_out && is_ours(weights) && !weights->view_src && ggml_n_dims(weights) == 2 &&
               weights->ne[1] % rows == 0 && x->type == GGML_TYPE_F32 && x->nb[0] == sizeof(float) &&
               (!x->buffer || ggml_backend_buft_is_host(x->buffer->buft));
    }

    // Asked by every thread for every operation.
    ggml::cpu::tensor_traits * get_tensor_traits(const ggml_tensor * op) override {
        if (op->op == GGML_OP_FLASH_ATTN_EXT) {
            return &attention;
        }
        if (op->op != GGML_OP_MUL_MAT || !is_ours(op->src[0])) {
            return nullptr;
        }
        return op->src[0]->type == GGML_TYPE_Q4_K ? &q4_k : &q6_k;
    }
};

ggml_backend_buffer_type type;

bool is_ours(const ggml_tensor * weights) { return weights->buffer && weights->buffer->buft == &type; }

void set_tensor(ggml_backend_buffer_t, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    GGML_ASSERT(offset == 0 && size == ggml_nbytes(tensor));
    GGML_ASSERT(static_cast<Extra *>(type.context)->pack(tensor, data, tensor->data, size));
}

const char * name(ggml_backend_buffer_type_t) { return "SYRINX"; }

ggml_backend_buffer_t alloc(ggml_backend_buffer_type_t, size_t bytes) {
    const ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), bytes);
    if (buffer) {
        buffer->buft             = &type;
        buffer->iface.set_tensor = set_tensor;
        buffer->iface.get_tensor = nullptr;
        buffer->iface.cpy_tensor = nullptr;
    }
    return buffer;
}

size_t alignment(ggml_backend_buffer_type_t) { return ggml_backend_buft_get_alignment(ggml_backend_cpu_buffer_type()); }

}  // namespace

// To be called once, while no graph is computed and before ggml is asked for its extra types. `rows` are laid out together.
extern "C" void syrinx_eights_register(syrinx_kernel q4_k, syrinx_kernel q6_k, syrinx_kernel attention, syrinx_pack pack,
                                       size_t column_bytes, int rows) {
    type.iface.get_name      = name;
    type.iface.alloc_buffer  = alloc;
    type.iface.get_alignment = alignment;
    syrinx::enter(type, new Extra({ q4_k, column_bytes }, { q6_k, column_bytes }, Kernel(attention), pack, rows));
}
