# The benchmark: loads and driver as a library, used by the command and by tests, never by libvarve.
# SPDX-License-Identifier: MIT
file(GLOB varve_bench_library_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/loads/*.c"
    "${PROJECT_SOURCE_DIR}/bench/driver/*.c" "${PROJECT_SOURCE_DIR}/bench/report/*.c")
add_library(varve_bench STATIC ${varve_bench_library_sources})
target_include_directories(varve_bench PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include"
    "${PROJECT_SOURCE_DIR}/src")
# The commit is looked up at every build; what includes it is compiled again only where it has changed.
set(varve_bench_commit "${PROJECT_BINARY_DIR}/generated/varve_bench_commit.h")
add_custom_target(varve_bench_commit BYPRODUCTS "${varve_bench_commit}" COMMENT ""
    COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DHEADER=${varve_bench_commit}" -P
        "${PROJECT_SOURCE_DIR}/cmake/commit.cmake")
add_dependencies(varve_bench varve_bench_commit)
target_include_directories(varve_bench PRIVATE "${PROJECT_BINARY_DIR}/generated")
target_compile_definitions(varve_bench PRIVATE VARVE_BENCH_COMPILER="${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
    VARVE_BENCH_BUILD="${CMAKE_BUILD_TYPE}")
target_link_libraries(varve_bench PUBLIC varve_flags Threads::Threads PRIVATE m)
