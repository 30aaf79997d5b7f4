# Cross build for arm64 with Debian's multiarch packages.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(ENV{PKG_CONFIG_LIBDIR} "$ENV{FERRY_ARM64_ROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:$ENV{FERRY_ARM64_ROOT}/usr/share/pkgconfig")
if(DEFINED ENV{FERRY_ARM64_ROOT})
    # A directory of unpacked arm64 packages instead of the machine's own multiarch directories.
    set(ENV{PKG_CONFIG_SYSROOT_DIR} "$ENV{FERRY_ARM64_ROOT}")
    set(CMAKE_FIND_ROOT_PATH "$ENV{FERRY_ARM64_ROOT}")
endif()
