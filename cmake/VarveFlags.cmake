# Compiler and linker flags of our own code, as interface targets.
#   varve_flags           language, warnings, code generation
#   varve_hardening_link  linker flags of shared libraries and programs
# SPDX-License-Identifier: MIT
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)

add_library(varve_flags INTERFACE)
target_compile_definitions(varve_flags INTERFACE _GNU_SOURCE $<$<BOOL:${VARVE_ASSERTS}>:VARVE_ASSERTS>
    $<$<BOOL:${VARVE_TEST_POINTS}>:VARVE_TEST_POINTS> $<$<BOOL:${VARVE_PLANTED}>:VARVE_PLANTED>)
target_compile_options(varve_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
    $<$<BOOL:${VARVE_WERROR}>:-Werror> -fno-omit-frame-pointer -g)

# Two warnings of gcc that follow values through calls at -O2 only, and not far enough: shown, never errors.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(varve_flags INTERFACE -Wno-error=maybe-uninitialized -Wno-error=stringop-truncation)
endif()

# Hardening that costs little; the sanitizers bring their own.
function(varve_flag_if_supported flag)
    string(MAKE_C_IDENTIFIER "VARVE_HAS${flag}" name)
    check_c_compiler_flag("-Werror ${flag}" ${name})
    if(${name})
        target_compile_options(varve_flags INTERFACE ${flag})
    endif()
endfunction()
if(NOT VARVE_SANITIZE)
    varve_flag_if_supported(-fstack-protector-strong)
    varve_flag_if_supported(-fstack-clash-protection)
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        varve_flag_if_supported(-fcf-protection)
    endif()
    target_compile_options(varve_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
# TLS descriptors make thread-local access from a shared library about as cheap as from a program.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    varve_flag_if_supported(-mtls-dialect=gnu2)
endif()

add_library(varve_hardening_link INTERFACE)
target_link_options(varve_hardening_link INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

if(VARVE_SANITIZE)
    target_compile_options(varve_flags INTERFACE -fsanitize=${VARVE_SANITIZE} -fno-sanitize-recover=all)
    target_link_options(varve_flags INTERFACE -fsanitize=${VARVE_SANITIZE} -fno-sanitize-recover=all)
endif()
