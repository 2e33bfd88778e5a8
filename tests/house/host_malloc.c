/* host_malloc.c - a program that links libvarve.so keeps its own malloc: the symbol resolves to the C library, before
 * and after the library has worked, although the library itself stands on another allocator.
 *
 * SPDX-License-Identifier: MIT
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "varve.h"

static int from_libc(const char *name) {
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, name);
    if (symbol == NULL || dladdr(symbol, &info) == 0) return 0;
    if (strstr(info.dli_fname, "libc.so") != NULL) return 1;
    fprintf(stderr, "%s comes from %s\n", name, info.dli_fname);
    return 0;
}

int main(void) {
    varve_db *db;
    int good = from_libc("malloc") && from_libc("free") && from_libc("realloc");
    if (varve_open(":memory:", NULL, &db) != VARVE_OK) return 1;
    if (varve_close(db) != VARVE_OK) return 1;
    return good && from_libc("calloc") && from_libc("posix_memalign") ? 0 : 1;
}
