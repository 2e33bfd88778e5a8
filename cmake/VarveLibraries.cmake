# The libraries. The objects are compiled once; only the allocator's backend differs between the three.
#   varve_static  libvarve.a        C library's malloc   a host that links it keeps its own allocator
#   varve         libvarve.so       jemalloc             the fast one
#   varve_plain   libvarve_plain.so C library's malloc   for dlopen: plugin hosts and language bindings
# Internal: varve_jemalloc_static, the objects with jemalloc, for the command and the figures.
# Sanitizer builds have only the static library, over the C library's malloc, so that every record is seen.
# SPDX-License-Identifier: MIT
file(GLOB varve_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*/*.c")
set(varve_jemalloc_source "${PROJECT_SOURCE_DIR}/src/base/alloc_jemalloc.c")
set(varve_libc_source "${PROJECT_SOURCE_DIR}/src/base/alloc_libc.c")
list(REMOVE_ITEM varve_sources "${varve_jemalloc_source}" "${varve_libc_source}")

function(varve_object_library name)
    add_library(${name} OBJECT ${ARGN})
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src"
        ${VARVE_URCU_INCLUDE_DIRS} ${VARVE_XXHASH_INCLUDE_DIRS} ${VARVE_ZLIB_INCLUDE_DIRS} ${VARVE_PCRE2_INCLUDE_DIRS})
    target_link_libraries(${name} PRIVATE varve_flags)
endfunction()

varve_object_library(varve_objects ${varve_sources})
varve_object_library(varve_alloc_libc "${varve_libc_source}")
if(NOT VARVE_SANITIZE)
    varve_object_library(varve_alloc_jemalloc "${varve_jemalloc_source}")
    target_include_directories(varve_alloc_jemalloc PRIVATE ${VARVE_JEMALLOC_INCLUDE_DIRS})
endif()

function(varve_public_interface name)
    target_include_directories(${name} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
        "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    target_link_libraries(${name} PRIVATE ${VARVE_LINK_LIBRARIES} Threads::Threads)
endfunction()

add_library(varve_static STATIC $<TARGET_OBJECTS:varve_objects> $<TARGET_OBJECTS:varve_alloc_libc>)
set_target_properties(varve_static PROPERTIES OUTPUT_NAME varve EXPORT_NAME static)
varve_public_interface(varve_static)
add_library(varve::static ALIAS varve_static)

set(varve_map "${PROJECT_SOURCE_DIR}/src/libvarve.map")
function(varve_shared_library name backend)
    add_library(${name} SHARED $<TARGET_OBJECTS:varve_objects> $<TARGET_OBJECTS:${backend}>)
    set_target_properties(${name} PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
        LINK_DEPENDS "${varve_map}")
    # Never unloaded: threads that used the library keep thread-local state whose destructors live in it.
    target_link_options(${name} PRIVATE -Wl,--version-script=${varve_map} -Wl,-z,nodelete -Wl,-z,defs)
    varve_public_interface(${name})
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:varve_hardening_link>)
endfunction()

if(NOT VARVE_SANITIZE)
    varve_shared_library(varve varve_alloc_jemalloc)
    target_link_libraries(varve PRIVATE ${VARVE_JEMALLOC_LIBRARIES})
    add_library(varve::varve ALIAS varve)
    varve_shared_library(varve_plain varve_alloc_libc)
    set_target_properties(varve_plain PROPERTIES EXPORT_NAME plain)
    add_library(varve::plain ALIAS varve_plain)

    add_library(varve_jemalloc_static STATIC $<TARGET_OBJECTS:varve_objects> $<TARGET_OBJECTS:varve_alloc_jemalloc>)
    varve_public_interface(varve_jemalloc_static)
    target_link_libraries(varve_jemalloc_static PRIVATE ${VARVE_JEMALLOC_LIBRARIES})
    set(VARVE_PROGRAM_LIBRARY varve_jemalloc_static)
else()
    set(VARVE_PROGRAM_LIBRARY varve_static)
endif()
