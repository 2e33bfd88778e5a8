# Writes the commit of the tree into a header, when it has changed. Run at every build: cmake -DSOURCE=... -DHEADER=... -P
# SPDX-License-Identifier: MIT
execute_process(COMMAND git describe --always --dirty --tags WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE commit
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
    set(commit unknown)
endif()
set(text "#define VARVE_BENCH_COMMIT \"${commit}\"\n")
set(old "")
if(EXISTS "${HEADER}")
    file(READ "${HEADER}" old)
endif()
if(NOT old STREQUAL text)
    file(WRITE "${HEADER}" "${text}")
endif()
