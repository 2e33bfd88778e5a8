# Checks of the tree, of the libraries and of an installation; all carry the label house.
# SPDX-License-Identifier: MIT
set(house_dir "${varve_tests_dir}/house")
set(house_python /usr/bin/env python3)

# house_check(NAME COMMAND...)
function(house_check name)
    add_test(NAME "house.${name}" COMMAND ${ARGN})
    varve_test_properties("house.${name}" house)
endfunction()

# The sources as they are, whatever the build.
house_check(layers "${PROJECT_SOURCE_DIR}/tools/check_layers")
house_check(sizes "${PROJECT_SOURCE_DIR}/tools/check_sizes")
house_check(words "${PROJECT_SOURCE_DIR}/tools/check_words")
house_check(docs "${PROJECT_SOURCE_DIR}/tools/check_docs")
house_check(headers "${PROJECT_SOURCE_DIR}/tools/check_headers" "${CMAKE_C_COMPILER}")
# Each checker is shown a tree with one fault of each kind and must name it.
house_check(checkers ${house_python} "${house_dir}/test_checkers.py")
# Every test file of the tree is one that this build knows.
list(JOIN varve_test_sources "\n" varve_test_source_lines)
file(WRITE "${PROJECT_BINARY_DIR}/test_sources.txt" "${varve_test_source_lines}\n")
house_check(discovered ${house_python} "${house_dir}/test_discovered.py" "${PROJECT_BINARY_DIR}/test_sources.txt")
# The tests of the interface catch faults planted in another engine behind the same header.
if(varve_planted)
    house_check(planted bash "${house_dir}/test_planted.sh" ${varve_planted})
endif()
# A test that fails: if ctest reported it as passed, nothing else here would mean anything.
house_check(canary ${CMAKE_COMMAND} -E false)
set_tests_properties(house.canary PROPERTIES WILL_FAIL TRUE)

# The command, from outside.
if(TARGET varve_command)
    house_check(command bash "${house_dir}/test_command.sh" "$<TARGET_FILE:varve_command>"
        "$<IF:$<BOOL:${VARVE_JANSSON_FOUND}>,yes,no>")
endif()

# What was built, only where it is what a user gets.
if(NOT VARVE_SANITIZE)
    file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/objects.txt"
        CONTENT "$<JOIN:$<TARGET_OBJECTS:varve_objects>,\n>\n")
    house_check(symbols "${PROJECT_SOURCE_DIR}/tools/check_symbols" --archive "$<TARGET_FILE:varve_static>"
        --shared "$<TARGET_FILE:varve>" --shared "$<TARGET_FILE:varve_plain>"
        --objects "${PROJECT_BINARY_DIR}/objects.txt" --header "${PROJECT_SOURCE_DIR}/include/varve.h")
    house_check(dlopen_python ${house_python} "${house_dir}/test_dlopen.py" "$<TARGET_FILE:varve_plain>")
    add_executable(house_dlopen "${house_dir}/dlopen.c")
    target_link_libraries(house_dlopen PRIVATE varve_test_flags ${CMAKE_DL_LIBS})
    house_check(dlopen_c house_dlopen "$<TARGET_FILE:varve_plain>")
    add_executable(house_host_malloc "${house_dir}/host_malloc.c")
    target_link_libraries(house_host_malloc PRIVATE varve varve_flags ${CMAKE_DL_LIBS})
    house_check(host_malloc house_host_malloc)
    add_executable(house_small_database "${house_dir}/small_database.c")
    target_link_libraries(house_small_database PRIVATE varve varve_flags)
    house_check(small_database house_small_database)
    house_check(install bash "${house_dir}/test_install.sh" "${PROJECT_BINARY_DIR}" "${house_dir}/consumer"
        "${CMAKE_C_COMPILER}" "${CMAKE_COMMAND}" "${CMAKE_GENERATOR}")
endif()
