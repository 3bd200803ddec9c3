// What the doors to our kernels share: extra.cpp on x86, eights/buffer.cpp on ARM.

#pragma once

#include "ggml-backend-impl.h"
#include "ggml-cpu.h"
#include "ggml-cpu-impl.h"
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

namespace syrinx {

struct Kernel : ggml::cpu::tensor_traits {
    syrinx_kernel run;

    explicit Kernel(syrinx_kernel run) : run(run) {}

    // What ggml plans for its own way holds the rounded activations too, and that way stands in where ours declines: so the plan
    // stays ggml's, and `Share::work` in share.rs looks whether there is room.
    bool work_size(int, const ggml_tensor *, size_t &) override { return false; }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        return !params->use_ref && computes(params, op);
    }

    bool computes(const ggml_compute_params * params, const ggml_tensor * op) const {
        const syrinx_share share = { params->ith, params->nth, params->wdata, params->wsize, params->threadpool };
        return run(&share, op);
    }
};

// Before ggml's own extra types, of which the first that computes an operation has it. `type` and `extra` for good, as ggml
// keeps them.
inline void enter(ggml_backend_buffer_type & type, ggml::cpu::extra_buffer_type * extra) {
    type.device  = ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
    type.context = extra;
    auto & types = ggml_backend_cpu_get_extra_buffer_types();
    types.insert(types.begin(), &type);
}

}  // namespace syrinx
