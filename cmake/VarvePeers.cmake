# Other engines behind bench/peers/peer.h, each a module of its own beside the command; built where its package is there.
#   build/peers/peer_<name>.so, installed to lib/varve/peers
# None is linked into the library or the command, which find them with dlopen.
# SPDX-License-Identifier: MIT
set(varve_peers_dir "${PROJECT_BINARY_DIR}/peers")
file(MAKE_DIRECTORY "${varve_peers_dir}")
set(varve_peers_built "")

# varve_peer(NAME SOURCE PKGCONFIG HEADER LIBRARY PACKAGE [DEFINITION...])
function(varve_peer name source module header library package)
    string(MAKE_C_IDENTIFIER "VARVE_PEER_${package}" key)
    pkg_check_modules(${key} QUIET ${module})
    find_path(${key}_HEADER ${header} HINTS ${${key}_INCLUDE_DIRS})
    find_library(${key}_LIBRARY ${library} HINTS ${${key}_LIBRARY_DIRS})
    mark_as_advanced(${key}_HEADER ${key}_LIBRARY)
    if(NOT ${key}_HEADER OR NOT ${key}_LIBRARY)
        return()
    endif()
    string(MAKE_C_IDENTIFIER "${name}" id)
    add_library(peer_${id} MODULE "${PROJECT_SOURCE_DIR}/bench/peers/${source}")
    set_target_properties(peer_${id} PROPERTIES PREFIX "" OUTPUT_NAME "peer_${name}" C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY "${varve_peers_dir}")
    target_include_directories(peer_${id} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include"
        "${${key}_HEADER}")
    target_compile_definitions(peer_${id} PRIVATE PEER_VERSION="${${key}_VERSION}" ${ARGN})
    target_link_libraries(peer_${id} PRIVATE varve_flags "${${key}_LIBRARY}" Threads::Threads)
    # An engine's own threads may outlive a dlclose.
    target_link_options(peer_${id} PRIVATE -Wl,-z,nodelete)
    install(TARGETS peer_${id} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/varve/peers" OPTIONAL)
    set(varve_peers_built ${varve_peers_built} ${name} PARENT_SCOPE)
endfunction()

varve_peer(lmdb peer_lmdb.c lmdb lmdb.h lmdb liblmdb-dev)
varve_peer(sqlite peer_sqlite.c sqlite3 sqlite3.h sqlite3 libsqlite3-dev)
varve_peer(berkeleydb peer_berkeleydb.c libdb db.h db-5.3 libdb5.3-dev)
varve_peer(wiredtiger peer_wiredtiger.c wiredtiger wiredtiger.h wiredtiger libwiredtiger-dev)
varve_peer(rocksdb peer_rocksdb.c rocksdb rocksdb/c.h rocksdb librocksdb-dev)
varve_peer(rocksdb-optimistic peer_rocksdb.c rocksdb rocksdb/c.h rocksdb librocksdb-dev PEER_OPTIMISTIC)
message(STATUS "Varve peers: ${varve_peers_built}")
