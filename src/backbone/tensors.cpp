// A weight of a loaded model by its name. llama.cpp's own tools find them like this; its C interface has no such function. C++
// for the reason of kernel/extra.cpp: compiled against the headers of what is linked.

#include "llama-model.h"

#include <cstring>

// Null where the model has no such tensor.
extern "C" ggml_tensor * syrinx_model_tensor(const llama_model * model, const char * name) {
    for (const auto & entry : llama_internal_get_tensor_map(model)) {
        if (std::strcmp(entry.first.c_str(), name) == 0) {
            return entry.second;
        }
    }
    return nullptr;
}
