# The benchmark: loads and driver as a library, used by the command and by tests, never by libvarve.
# SPDX-License-Identifier: MIT
file(GLOB varve_bench_library_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/loads/*.c"
    "${PROJECT_SOURCE_DIR}/bench/driver/*.c" "${PROJECT_SOURCE_DIR}/bench/report/*.c")
add_library(varve_bench STATIC ${varve_bench_library_sources})
target_include_directories(varve_bench PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include"
    "${PROJECT_SOURCE_DIR}/src")
# The commit, as of the last configuration.
execute_process(COMMAND git describe --always --dirty --tags WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    OUTPUT_VARIABLE varve_bench_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT varve_bench_commit)
    set(varve_bench_commit unknown)
endif()
target_compile_definitions(varve_bench PRIVATE VARVE_BENCH_COMPILER="${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
    VARVE_BENCH_BUILD="${CMAKE_BUILD_TYPE}" VARVE_BENCH_COMMIT="${varve_bench_commit}")
target_link_libraries(varve_bench PUBLIC varve_flags Threads::Threads PRIVATE m)
