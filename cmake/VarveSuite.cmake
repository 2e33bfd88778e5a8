# The isolation suite: a library over the engine's internals, used by the command and by tests, never by libvarve.
#   suite/<folder>/*.c         varve_suite
#   suite/schedules/*.sched    the corpus, compiled in: suite/schedule/corpus.h
#   tests/suite/<folder>/      its tests, label suite
# SPDX-License-Identifier: MIT
file(GLOB varve_suite_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/suite/*/*.c")
file(GLOB varve_schedules CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/suite/schedules/*.sched")
set(varve_corpus "${PROJECT_BINARY_DIR}/corpus.c")
string(REPLACE ";" "," varve_schedule_list "${varve_schedules}")
add_custom_command(OUTPUT "${varve_corpus}"
    COMMAND ${CMAKE_COMMAND} "-DOUT=${varve_corpus}" "-DFILES=${varve_schedule_list}"
        -P "${PROJECT_SOURCE_DIR}/cmake/corpus.cmake"
    DEPENDS ${varve_schedules} "${PROJECT_SOURCE_DIR}/cmake/corpus.cmake" VERBATIM)
# The finder of peers' modules is the bench's; the suite runs schedules on them.
add_library(varve_suite STATIC ${varve_suite_sources} "${varve_corpus}" "${PROJECT_SOURCE_DIR}/bench/peers/find.c")
target_include_directories(varve_suite PUBLIC "${PROJECT_SOURCE_DIR}/suite" "${PROJECT_SOURCE_DIR}/include"
    PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}" ${VARVE_URCU_INCLUDE_DIRS} ${VARVE_XXHASH_INCLUDE_DIRS})
target_link_libraries(varve_suite PUBLIC varve_flags Threads::Threads ${CMAKE_DL_LIBS}
    PRIVATE ${VARVE_XXHASH_LIBRARIES} m)
