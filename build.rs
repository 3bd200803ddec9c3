//! In: the sources of the backbone's kernels, and of ggml as llama.cpp's crate has built it. Out: `SYRINX_KERNELS`, a hash of
//! what decides a kept state's bits; and compiled the little C++ that meets ggml where its interface is C++.

use std::env;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    for folder in ["src/kernel", "src/backbone", "src/ggml"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let mut sources = Vec::new();
    for folder in ["src/kernel", "src/backbone"] {
        files(Path::new(folder), &mut sources)?;
    }
    sources.sort();
    let mut hasher = DefaultHasher::new();
    for source in &sources {
        hasher.write(&std::fs::read(source)?);
    }
    println!("cargo:rustc-env=SYRINX_KERNELS={:016x}", hasher.finish());

    let ggml = ggml_sources()?;
    let mut shims = vec!["src/ggml/pages.cpp", "src/backbone/tensors.cpp"];
    match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("x86_64") => shims.extend(["src/kernel/share.cpp", "src/kernel/extra.cpp"]),
        Ok("aarch64") => shims.extend(["src/kernel/share.cpp", "src/kernel/eights/buffer.cpp"]),
        _ => {}
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .cpp_link_stdlib(None) // llama.cpp's crate links it
        .flag_if_supported("-fvisibility=hidden")
        .warnings(false) // ggml's own headers have some
        .includes(["include", "src", "src/ggml-cpu", "../include", "../src"].map(|folder| ggml.join(folder)))
        .files(&shims)
        .try_compile("syrinx_ggml")
        .map_err(|e| Error::other(format!("{}: {e}", shims.join(", "))))?;
    Ok(())
}

/// All files of a folder but tests, which decide nothing.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        match path.is_dir() {
            _ if is_test => {}
            true => files(&path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}

/// The sources that ggml was compiled from. llama.cpp's crate says where it built (`DEP_LLAMA_…`), and CMake wrote down there
/// of what: so these are the right ones, whether the crate came from a registry, a vendored folder or a patch.
fn ggml_sources() -> Result<PathBuf> {
    let unknown = |what: &str| Error::other(format!("{what}: llama-cpp-sys-2 is another than Syrinx was made for"));
    // `out/lib/cmake`
    let installed = env::var("DEP_LLAMA_GGML_CMAKE_DIR").map_err(|_| unknown("llama.cpp's crate names no folder"))?;
    let out = Path::new(&installed).ancestors().nth(2).ok_or_else(|| unknown(&installed))?;
    let cache = out.join("build/CMakeCache.txt");
    let cache = std::fs::read_to_string(&cache).map_err(|e| unknown(&format!("{}: {e}", cache.display())))?;
    let source = cache.lines().find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL="));
    Ok(Path::new(source.ok_or_else(|| unknown("CMakeCache.txt names no sources"))?).join("ggml"))
}
