# Cross build for arm64. The libraries come from Debian packages unpacked into a directory:
# FERRY_ARM64_ROOT, or the root of the arm64 lab.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

set(arm64_root "$ENV{FERRY_ARM64_ROOT}")
if(NOT arm64_root)
    execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../lab --print-sysroot
        OUTPUT_VARIABLE arm64_root OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
set(CMAKE_FIND_ROOT_PATH "${arm64_root}")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${arm64_root}")
set(ENV{PKG_CONFIG_LIBDIR} "${arm64_root}/usr/lib/aarch64-linux-gnu/pkgconfig:${arm64_root}/usr/share/pkgconfig")
