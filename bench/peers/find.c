/* find.c - opening the modules of peers.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/peers/find.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const peer_names[PEERS_KNOWN] = {"lmdb",    "sqlite",            "berkeleydb", "wiredtiger",
                                             "rocksdb", "rocksdb-optimistic"};

static const char *const packages[PEERS_KNOWN] = {"liblmdb-dev",       "libsqlite3-dev", "libdb5.3-dev",
                                                  "libwiredtiger-dev", "librocksdb-dev", "librocksdb-dev"};

enum { PATH_BYTES = 1024 };

static void *open_in(const char *directory, const char *name) {
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof(path), "%s/peer_%s.so", directory, name);
    return access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void *open_usual(const char *name) {
    static const char *const places[] = {"peers", "../peers", "../../peers", "../lib/varve/peers", "../lib64/varve/peers",
                                         "../lib/x86_64-linux-gnu/varve/peers", "../lib/aarch64-linux-gnu/varve/peers"};
    char program[PATH_BYTES / 2], directory[PATH_BYTES];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (size <= 0) return NULL;
    program[size] = 0;
    char *slash = strrchr(program, '/');
    if (slash != NULL) *slash = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(directory, sizeof(directory), "%s/%s", program, places[i]);
        void *module = open_in(directory, name);
        if (module != NULL) return module;
    }
    return NULL;
}

static const struct peer *refuse(char *why, size_t why_bytes, const char *name, const char *text) {
    if (why != NULL) snprintf(why, why_bytes, "%s: %s", name, text);
    return NULL;
}

const struct peer *peer_find(const char *name, const char *directory, char *why, size_t why_bytes) {
    unsigned known = 0;
    char text[160];
    while (known < PEERS_KNOWN && strcmp(peer_names[known], name) != 0) known++;
    if (known == PEERS_KNOWN) return refuse(why, why_bytes, name, "no such peer");
    void *module = directory != NULL ? open_in(directory, name) : open_usual(name);
    if (module == NULL) {
        const char *reason = dlerror();
        snprintf(text, sizeof(text), "not built: install %s and configure again%s%s", packages[known],
                 reason != NULL ? ": " : "", reason != NULL ? reason : "");
        return refuse(why, why_bytes, name, text);
    }
    const struct peer *peer = dlsym(module, "varve_peer");
    if (peer == NULL || peer->abi != PEER_ABI) return refuse(why, why_bytes, name, "its module is of another version");
    return peer;
}
