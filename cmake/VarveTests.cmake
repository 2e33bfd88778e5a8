# Tests, found by name. A test is a program of its own; its ctest name is its path, its label the folder under tests/:
#   tests/unit/<folder>/test_*.c        unit      over the static library, so that internal symbols can be reached
#   tests/suite/<folder>/test_*.c       suite     one folder of the isolation suite
#   tests/bench/<folder>/test_*.c       bench     loads and driver of the benchmark; its scripts lie in tests/bench
#   tests/stress/*.c                    stress
#   tests/<kind>/test_*.c, test_*.sh    <kind>    api, crash, model, ...
#   tests/support/*.c                   a library that the others link; so is suite/, with the reference model
#   tests/model/fake_*.c                another engine behind varve.h, to try the tests themselves: varve_test_fake
#   tests/house/                        house     checks of the tree itself; see there
#   tests/explore/test_*.c              explore   only with VARVE_TEST_POINTS: they switch inside operations
#   tests/mutants/test_*.c              mutants   only with VARVE_TEST_POINTS and VARVE_PLANTED; choose.c is in every
#                                                 program of such a build and reads VARVE_PLANTED of the environment
# One target tests_<label> builds what a label needs. VARVE_TEST_BUDGET (default 1) multiplies what random suites do.
# SPDX-License-Identifier: MIT
set(varve_tests_dir "${PROJECT_SOURCE_DIR}/tests")
set(varve_scratch_dir "${PROJECT_BINARY_DIR}/scratch")
file(MAKE_DIRECTORY "${varve_scratch_dir}")
set(varve_test_environment "TMPDIR=${varve_scratch_dir}" "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=halt_on_error=1 second_deadlock_stack=1" "ASAN_OPTIONS=detect_leaks=1 strict_string_checks=1")
set(varve_test_sources "")

add_library(varve_test_flags INTERFACE)
target_include_directories(varve_test_flags INTERFACE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src"
    "${varve_tests_dir}" "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/suite"
    ${VARVE_URCU_INCLUDE_DIRS} ${VARVE_CMOCKA_INCLUDE_DIRS})
target_compile_options(varve_test_flags INTERFACE -UNDEBUG)
target_link_libraries(varve_test_flags INTERFACE varve_flags Threads::Threads)

# Libraries of the tests; they take the engine from the program that links them.
set(varve_test_libraries "")
foreach(folder support)
    file(GLOB sources CONFIGURE_DEPENDS "${varve_tests_dir}/${folder}/*.c")
    list(FILTER sources EXCLUDE REGEX "/(test|fake)_[^/]*$")
    if(sources)
        add_library(varve_test_${folder} STATIC ${sources})
        target_link_libraries(varve_test_${folder} PRIVATE varve_test_flags)
        list(APPEND varve_test_libraries varve_test_${folder})
        list(APPEND varve_test_sources ${sources})
    endif()
endforeach()

file(GLOB fake_sources CONFIGURE_DEPENDS "${varve_tests_dir}/model/fake_*.c")
if(fake_sources)
    add_library(varve_test_fake STATIC ${fake_sources})
    target_link_libraries(varve_test_fake PRIVATE varve_test_flags)
    list(APPEND varve_test_sources ${fake_sources})
endif()

# With planted bugs: the object that chooses one.
set(varve_choose "${varve_tests_dir}/mutants/choose.c")
list(APPEND varve_test_sources "${varve_choose}" "${varve_tests_dir}/mutants/scene.c")

# varve_test_properties(NAME LABEL): what every test has in common
function(varve_test_properties name label)
    set_tests_properties("${name}" PROPERTIES LABELS "${label}" ENVIRONMENT "${varve_test_environment}"
        WORKING_DIRECTORY "${varve_scratch_dir}")
    if(label MATCHES "^(stress|figures)$")
        set_tests_properties("${name}" PROPERTIES PROCESSORS 2)
    endif()
endfunction()

# varve_test_program(LABEL NAME SOURCE LIBRARY)
function(varve_test_program label name source library)
    # Planned allocation failures exist in builds with assertions only; dev and tsan have them.
    file(STRINGS "${source}" plans REGEX "vb_alloc_fail" LIMIT_COUNT 1)
    if(plans AND NOT VARVE_ASSERTS)
        file(STRINGS "${source}" guarded REGEX "ifn?def VARVE_ASSERTS" LIMIT_COUNT 1)
        if(NOT guarded)
            return()
        endif()
    endif()
    string(MAKE_C_IDENTIFIER "${name}" target)
    add_executable(${target} "${source}")
    if(VARVE_PLANTED)
        target_sources(${target} PRIVATE "${varve_choose}")
    endif()
    target_link_libraries(${target} PRIVATE varve_test_flags ${varve_test_libraries} varve_suite ${library}
        ${VARVE_LINK_LIBRARIES} ${VARVE_CMOCKA_LIBRARIES} Threads::Threads m)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/${label}")
    add_test(NAME "${name}" COMMAND ${target})
    varve_test_properties("${name}" ${label})
    if(NOT TARGET tests_${label})
        add_custom_target(tests_${label})
    endif()
    add_dependencies(tests_${label} ${target})
endfunction()

file(GLOB unit_tests CONFIGURE_DEPENDS "${varve_tests_dir}/unit/*/test_*.c")
foreach(source IN LISTS unit_tests)
    string(REGEX REPLACE ".*/unit/([^/]*)/test_([^/]*)\\.c$" "unit.\\1.\\2" name "${source}")
    varve_test_program(unit "${name}" "${source}" varve_static)
    if(name MATCHES "^unit\\.base\\.alloc" AND TARGET varve_jemalloc_static)
        varve_test_program(unit "${name}.jemalloc" "${source}" varve_jemalloc_static)
    endif()
endforeach()
list(APPEND varve_test_sources ${unit_tests})

file(GLOB suite_tests CONFIGURE_DEPENDS "${varve_tests_dir}/suite/*/test_*.c")
foreach(source IN LISTS suite_tests)
    string(REGEX REPLACE ".*/suite/([^/]*)/test_([^/]*)\\.c$" "suite.\\1.\\2" name "${source}")
    varve_test_program(suite "${name}" "${source}" ${VARVE_PROGRAM_LIBRARY})
endforeach()
foreach(peer IN LISTS varve_peers_built)
    string(MAKE_C_IDENTIFIER "${peer}" peer)
    add_dependencies(tests_suite peer_${peer})
endforeach()
file(GLOB suite_scripts CONFIGURE_DEPENDS "${varve_tests_dir}/suite/test_*.sh")
foreach(script IN LISTS suite_scripts)
    string(REGEX REPLACE ".*/test_([^/]*)\\.sh$" "suite.\\1.sh" name "${script}")
    add_test(NAME "${name}" COMMAND bash "${script}")
    varve_test_properties("${name}" suite)
    set_tests_properties("${name}" PROPERTIES SKIP_RETURN_CODE 77) # a script that says what is not installed
    set_property(TEST "${name}" APPEND PROPERTY ENVIRONMENT "VARVE_SOURCE=${PROJECT_SOURCE_DIR}"
        "VARVE_BUILD=${PROJECT_BINARY_DIR}" "VARVE_COMMAND=${PROJECT_BINARY_DIR}/varve")
endforeach()
list(APPEND varve_test_sources ${suite_tests} ${suite_scripts})

file(GLOB bench_tests CONFIGURE_DEPENDS "${varve_tests_dir}/bench/*/test_*.c")
foreach(source IN LISTS bench_tests)
    string(REGEX REPLACE ".*/bench/([^/]*)/test_([^/]*)\\.c$" "bench.\\1.\\2" name "${source}")
    if(name MATCHES "^bench\\.experiments\\.") # over the engine whose constants may change, where there is one
        if(TARGET varve_experiments)
            varve_test_program(bench "${name}" "${source}" varve_experiments)
        endif()
        continue()
    endif()
    varve_test_program(bench "${name}" "${source}" "varve_bench;${VARVE_PROGRAM_LIBRARY}")
endforeach()
list(APPEND varve_test_sources ${bench_tests})

# The other kinds run over what ships: jemalloc in release, the C library's malloc under a sanitizer.
file(GLOB kinds CONFIGURE_DEPENDS LIST_DIRECTORIES true RELATIVE "${varve_tests_dir}" "${varve_tests_dir}/*")
foreach(kind IN LISTS kinds)
    if(NOT IS_DIRECTORY "${varve_tests_dir}/${kind}" OR kind MATCHES "^(unit|suite|support|house)$")
        continue()
    endif()
    if(kind STREQUAL "stress")
        file(GLOB sources CONFIGURE_DEPENDS "${varve_tests_dir}/stress/*.c")
    else()
        file(GLOB sources CONFIGURE_DEPENDS "${varve_tests_dir}/${kind}/test_*.c")
    endif()
    list(APPEND varve_test_sources ${sources})
    if((kind STREQUAL "explore" AND NOT VARVE_TEST_POINTS) OR
       (kind STREQUAL "mutants" AND NOT (VARVE_TEST_POINTS AND VARVE_PLANTED)))
        continue()
    endif()
    foreach(source IN LISTS sources)
        string(REGEX REPLACE ".*/(test_)?([^/]*)\\.c$" "${kind}.\\2" name "${source}")
        # A woven run opens a database of its own, which is cheaper over the C library's malloc.
        set(library ${VARVE_PROGRAM_LIBRARY})
        if(kind MATCHES "^(explore|mutants)$")
            set(library varve_static)
        endif()
        varve_test_program(${kind} "${name}" "${source}" ${library})
        if(kind STREQUAL "mutants")
            string(MAKE_C_IDENTIFIER "${name}" target)
            target_sources(${target} PRIVATE "${varve_tests_dir}/mutants/scene.c")
        endif()
        # Once more with limits so small that everything rare happens all the time (tests/support/testdb.c).
        if(name MATCHES "^(stress\\.|api\\.(interleave|sequential|witness)$)")
            string(MAKE_C_IDENTIFIER "${name}" target)
            add_test(NAME "${name}.tiny" COMMAND ${target})
            varve_test_properties("${name}.tiny" ${kind})
            set_property(TEST "${name}.tiny" APPEND PROPERTY ENVIRONMENT "VARVE_TEST_LIMITS=tiny")
        endif()
    endforeach()
    file(GLOB scripts CONFIGURE_DEPENDS "${varve_tests_dir}/${kind}/test_*.sh")
    foreach(script IN LISTS scripts)
        string(REGEX REPLACE ".*/test_([^/]*)\\.sh$" "${kind}.\\1.sh" name "${script}")
        add_test(NAME "${name}" COMMAND bash "${script}")
        varve_test_properties("${name}" ${kind})
        if(kind STREQUAL "bench")
            set_tests_properties("${name}" PROPERTIES SKIP_RETURN_CODE 77) # no browser to look at the page
        endif()
        set_property(TEST "${name}" APPEND PROPERTY ENVIRONMENT "VARVE_SOURCE=${PROJECT_SOURCE_DIR}"
            "VARVE_BUILD=${PROJECT_BINARY_DIR}" "VARVE_COMMAND=${PROJECT_BINARY_DIR}/varve")
    endforeach()
    list(APPEND varve_test_sources ${scripts})
endforeach()
if(TARGET tests_mutants)
    add_dependencies(tests_mutants unit_storage_hash unit_storage_split) # killers of tests/mutants/run_mutants
endif()

# The tests of the interface over the reference engine instead of ours: house.planted runs them with planted faults.
set(varve_planted "")
if(TARGET varve_test_fake AND NOT VARVE_SANITIZE)
    foreach(name interleave sequential witness)
        if(EXISTS "${varve_tests_dir}/api/test_${name}.c")
            add_executable(fake_${name} "${varve_tests_dir}/api/test_${name}.c")
            target_link_libraries(fake_${name} PRIVATE varve_test_flags
                $<LINK_GROUP:RESCAN,varve_test_fake,varve_suite,varve_test_support>
                ${VARVE_CMOCKA_LIBRARIES} Threads::Threads m)
            list(APPEND varve_planted $<TARGET_FILE:fake_${name}>)
        endif()
    endforeach()
endif()

if(VARVE_BUILD_EXAMPLES)
    foreach(source IN LISTS varve_examples)
        get_filename_component(name "${source}" NAME_WE)
        add_test(NAME "examples.${name}" COMMAND example_${name})
        varve_test_properties("examples.${name}" examples)
    endforeach()
    # The figures at a hundredth of their size: that the program runs and that its checks hold, not how fast it is.
    if(TARGET bench_figures)
        add_test(NAME figures.small COMMAND bench_figures --records 10000 --seconds 0.1)
        varve_test_properties(figures.small figures)
    endif()
    if(TARGET bench_recovery)
        add_test(NAME figures.recovery COMMAND bench_recovery --records 5000 --log-mb 8 --repeat 2)
        varve_test_properties(figures.recovery figures)
    endif()
    if(TARGET quickstart)
        add_test(NAME quickstart.small COMMAND quickstart --seconds 0.3 --limit 2000)
        varve_test_properties(quickstart.small examples)
        set_tests_properties(quickstart.small PROPERTIES PROCESSORS 2)
    endif()
endif()

include("${varve_tests_dir}/house/house.cmake")
