# CMake for llama.cpp on Debian's cross compiler. Comes in by the environment, through llama-cpp-sys-2's build script.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# The build script asks for armv8-a, whatever the environment says; FORCE wins over it.
set(GGML_CPU_ARM_ARCH "$ENV{SYRINX_ARM}" CACHE STRING "" FORCE)
