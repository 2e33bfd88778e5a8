# The libraries that Varve stands on. All are Debian packages; `./check` installs those that are missing.
# SPDX-License-Identifier: MIT
find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# required(VARIABLE MODULE PACKAGE): a module known to pkg-config, or a message that names the Debian package
function(varve_require variable module package)
    pkg_check_modules(${variable} QUIET IMPORTED_TARGET GLOBAL ${module})
    if(NOT ${variable}_FOUND)
        message(FATAL_ERROR "${module} was not found; on Debian: apt-get install ${package}")
    endif()
    set(${variable}_LIBRARIES "${${variable}_LIBRARIES}" PARENT_SCOPE)
    set(${variable}_INCLUDE_DIRS "${${variable}_INCLUDE_DIRS}" PARENT_SCOPE)
endfunction()

varve_require(VARVE_URCU liburcu-bp liburcu-dev)
varve_require(VARVE_XXHASH libxxhash libxxhash-dev)
varve_require(VARVE_ZLIB zlib zlib1g-dev)
varve_require(VARVE_PCRE2 libpcre2-8 libpcre2-dev)
if(NOT VARVE_SANITIZE)
    varve_require(VARVE_JEMALLOC jemalloc libjemalloc-dev)
endif()
if(VARVE_BUILD_TESTS)
    varve_require(VARVE_CMOCKA cmocka libcmocka-dev)
endif()
# The command is better with these and complete without them.
if(VARVE_BUILD_TOOLS)
    pkg_check_modules(VARVE_LIBEDIT QUIET libedit)
    pkg_check_modules(VARVE_JANSSON QUIET jansson)
endif()

# Linked by name, so that the exported targets carry no paths of the machine they were built on.
set(VARVE_LINK_LIBRARIES ${VARVE_URCU_LIBRARIES} ${VARVE_XXHASH_LIBRARIES} ${VARVE_ZLIB_LIBRARIES}
    ${VARVE_PCRE2_LIBRARIES})
