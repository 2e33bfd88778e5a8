/* callbacks.c - the functions that callback rules name.
 *
 * A list that only grows; an entry's function and argument are replaced together under the mutex and read under it, so
 * that a re-registration never mixes the two. The function itself runs outside it.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/alloc.h"
#include "constraints/constraints_int.h"
#include "os/os.h"

struct entry {
    struct entry *next;
    char name[VCN_NAME_MAX + 1];
    varve_constraint_fn fn;
    void *arg;
};
struct vcn_callbacks {
    struct vos_mutex mutex;
    struct entry *first;
};

int vcn_callbacks_open(struct vcn_callbacks **callbacks) {
    *callbacks = vb_alloc(sizeof **callbacks);
    return *callbacks != NULL ? VARVE_OK : VARVE_NOMEM;
}

void vcn_callbacks_close(struct vcn_callbacks *callbacks) {
    while (callbacks->first != NULL) {
        struct entry *entry = callbacks->first;
        callbacks->first = entry->next;
        vb_free(entry, sizeof *entry);
    }
    vb_free(callbacks, sizeof *callbacks);
}

static struct entry *find(struct vcn_callbacks *callbacks, const char *name) {
    struct entry *entry = callbacks->first;
    while (entry != NULL && strcmp(entry->name, name) != 0) entry = entry->next;
    return entry;
}

int vcn_callbacks_register(struct vcn_callbacks *callbacks, const char *name, varve_constraint_fn fn, void *arg) {
    size_t size = strlen(name);
    if (size == 0 || size > VCN_NAME_MAX || strchr(name, ' ') != NULL) return VARVE_INVALID;
    struct entry *fresh = vb_alloc(sizeof *fresh);
    if (fresh == NULL) return VARVE_NOMEM;
    memcpy(fresh->name, name, size + 1);
    vos_mutex_lock(&callbacks->mutex);
    struct entry *entry = find(callbacks, name);
    if (entry == NULL) {
        entry = fresh;
        entry->next = callbacks->first;
        callbacks->first = entry;
    }
    entry->fn = fn;
    entry->arg = arg;
    vos_mutex_unlock(&callbacks->mutex);
    if (entry != fresh) vb_free(fresh, sizeof *fresh);
    return VARVE_OK;
}

bool vcn_callbacks_find(struct vcn_callbacks *callbacks, const char *name, varve_constraint_fn *fn, void **arg) {
    vos_mutex_lock(&callbacks->mutex);
    struct entry *entry = find(callbacks, name);
    if (entry != NULL) {
        *fn = entry->fn;
        *arg = entry->arg;
    }
    vos_mutex_unlock(&callbacks->mutex);
    return entry != NULL;
}
