# What llama.cpp's kernels may use: what the processor of this machine has. In: the system's list of its features. Out:
# ggml's build options. With SYRINX_PORTABLE in the environment they stay the crate's: any x86 with AVX2, any ARMv8.
#
# Only named instruction sets, no -march=native: the program checks each of them when it starts. ggml's AMX is left out:
# its products with a single row, of which a frame is made, take up to 1.8 times as long (ours are for prompts alone).

if(DEFINED ENV{SYRINX_PORTABLE})
  return()
endif()
if(NOT SYRINX_CPUINFO)
  set(SYRINX_CPUINFO /proc/cpuinfo)
endif()
set(features "")
if(EXISTS "${SYRINX_CPUINFO}")
  file(STRINGS "${SYRINX_CPUINFO}" features REGEX "^(flags|Features)[ \t]*:" LIMIT_COUNT 1)
endif()

if(features MATCHES "^flags")
  foreach(option_feature
      SSE42=sse4_2 AVX=avx AVX2=avx2 FMA=fma F16C=f16c BMI2=bmi2 AVX_VNNI=avx_vnni
      AVX512=avx512f AVX512_VBMI=avx512vbmi AVX512_VNNI=avx512_vnni AVX512_BF16=avx512_bf16)
    string(REPLACE "=" ";" option_feature "${option_feature}")
    list(GET option_feature 0 option)
    list(GET option_feature 1 feature)
    if(features MATCHES " ${feature}( |$)")
      set("GGML_${option}" ON CACHE BOOL "" FORCE)
    else()
      set("GGML_${option}" OFF CACHE BOOL "" FORCE)
    endif()
  endforeach()
elseif(features MATCHES "^Features")
  set(arch armv8-a)
  if(features MATCHES " (asimdhp|asimddp)( |$)")
    set(arch armv8.2-a)
  endif()
  foreach(extension_feature dotprod=asimddp fp16=asimdhp i8mm=i8mm)
    string(REPLACE "=" ";" extension_feature "${extension_feature}")
    list(GET extension_feature 0 extension)
    list(GET extension_feature 1 feature)
    if(features MATCHES " ${feature}( |$)")
      string(APPEND arch "+${extension}")
    endif()
  endforeach()
  set(GGML_CPU_ARM_ARCH "${arch}" CACHE STRING "" FORCE)
endif()
