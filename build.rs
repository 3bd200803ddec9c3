//! Has the linker put our products of one row with Q4_K and Q6_K in the place of ggml's (`src/kernel/k_quants.rs`).

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    if target("ARCH") == "x86_64" && target("OS") == "linux" {
        for function in [
            "ggml_compute_forward_flash_attn_ext",
            "quantize_row_q8_K",
            "ggml_gemm_q4_K_8x8_q8_K",
            "ggml_gemv_q4_K_8x8_q8_K",
            "ggml_vec_dot_q6_K_q8_K",
        ] {
            println!("cargo:rustc-link-arg=-Wl,--wrap={function}");
        }
    }
}
