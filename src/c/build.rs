//! The shared library's own name, by the number of its interface: what a program asks the system for.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux" || os == "android") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsyrinx.so.{}", include!("src/abi.in"));
    }
}
