# Installing: header, libraries, command, pkg-config file, CMake package. tests/house installs into a scratch prefix and
# builds a consumer each way.
# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)

if(VARVE_SANITIZE)
    set(varve_installed varve_static)
else()
    set(varve_installed varve varve_plain varve_static)
endif()
install(TARGETS ${varve_installed} EXPORT varve_targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES include/varve.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(TARGET varve_command)
    install(TARGETS varve_command RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

set(varve_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/varve")
install(EXPORT varve_targets NAMESPACE varve:: DESTINATION "${varve_package_dir}")
configure_package_config_file(cmake/varve-config.cmake.in "${PROJECT_BINARY_DIR}/varve-config.cmake"
    INSTALL_DESTINATION "${varve_package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/varve-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/varve-config.cmake" "${PROJECT_BINARY_DIR}/varve-config-version.cmake"
    DESTINATION "${varve_package_dir}")

# The .pc file finds its prefix from its own place, so that an installed tree can be moved.
file(RELATIVE_PATH varve_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" varve_pc_prefix "${varve_pc_prefix}")
configure_file(cmake/varve.pc.in "${PROJECT_BINARY_DIR}/varve.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/varve.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
