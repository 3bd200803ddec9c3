//! Promise: llama.cpp is built for what the processor of the building machine has (`boards/processor.cmake`), and for
//! nothing that it lacks.

use std::path::Path;
use std::process::Command;

/// What is set for a machine whose `/proc/cpuinfo` says `cpuinfo`: `GGML_AVX2=ON GGML_AVX512=OFF …`.
fn options(cpuinfo: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (list, script) = (folder.path().join("cpuinfo"), folder.path().join("print.cmake"));
    std::fs::write(&list, cpuinfo).unwrap();
    let print = "include(${PROCESSOR})
        get_cmake_property(names VARIABLES)
        foreach(name ${names})
          if(name MATCHES ^GGML_)
            message(\"${name}=${${name}}\")
          endif()
        endforeach()";
    std::fs::write(&script, print).unwrap();
    let processor = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards/processor.cmake");
    let out = Command::new("cmake")
        .env_remove("SYRINX_PORTABLE")
        .arg(format!("-DPROCESSOR={}", processor.display()))
        .arg(format!("-DSYRINX_CPUINFO={}", list.display()))
        .arg("-P")
        .arg(&script)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_x86_gets_the_instruction_sets_that_it_has() {
    let zen4 = "processor\t: 0\nflags\t\t: fpu sse4_2 avx f16c fma bmi1 avx2 bmi2 avx512f avx512dq avx512_bf16 \
                avx512vbmi avx512_vnni\nbugs\t\t: none\n";
    assert_eq!(
        options(zen4),
        "GGML_AVX=ON GGML_AVX2=ON GGML_AVX512=ON GGML_AVX512_BF16=ON GGML_AVX512_VBMI=ON GGML_AVX512_VNNI=ON \
         GGML_AVX_VNNI=OFF GGML_BMI2=ON GGML_F16C=ON GGML_FMA=ON GGML_SSE42=ON"
    );
    let n100 = "flags\t\t: sse4_2 avx f16c fma avx2 bmi2 avx_vnni\n";
    assert!(options(n100).contains("GGML_AVX512=OFF"));
    assert!(options(n100).contains("GGML_AVX_VNNI=ON"));
    let old_atom = "flags\t\t: sse4_2 ssse3\n";
    assert!(options(old_atom).starts_with("GGML_AVX=OFF GGML_AVX2=OFF"));
}

#[test]
fn an_arm_gets_the_extensions_that_it_has() {
    let arch = |features: &str| options(&format!("processor\t: 0\nFeatures\t: {features}\nCPU part\t: 0xd08\n"));
    assert_eq!(arch("fp asimd evtstrm crc32 cpuid"), "GGML_CPU_ARM_ARCH=armv8-a"); // Raspberry Pi 4
    assert_eq!(arch("fp asimd fphp asimdhp"), "GGML_CPU_ARM_ARCH=armv8.2-a+fp16"); // Xavier
    assert_eq!(arch("fp asimd asimdhp lrcpc asimddp"), "GGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16"); // Raspberry Pi 5, Orin
    assert_eq!(arch("asimdhp asimddp sve i8mm bf16"), "GGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16+i8mm"); // Thor
}

#[test]
fn where_the_system_lists_nothing_the_portable_build_stays() {
    assert_eq!(options("processor\t: 0\n"), "");
}
