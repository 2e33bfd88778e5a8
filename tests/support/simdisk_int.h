/* simdisk_int.h - the parts of a simulated disk. Private to simdisk*.c.
 *
 * Lifetimes: a node (the file without its name) lives while an entry, a durable entry, a handle or a pending operation
 * holds it. Everything is guarded by the disk's mutex.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_SUPPORT_SIMDISK_INT_H
#define VARVE_TESTS_SUPPORT_SIMDISK_INT_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/simdisk.h"

/* Growable bytes; everything in [size, room) is zero, but for durable images, which may hold sectors there that wait
 * for a size to cover them. `data` may be shared with other images, of other disks too, until sim_bytes_own: a reboot
 * copies no file that nobody changes. */
struct sim_bytes {
    uint8_t *data; /* NULL, or behind its count of sharers */
    size_t size, room;
};

struct sim_node {
    struct sim_bytes seen;    /* what reads return */
    struct sim_bytes durable; /* what is on the disk */
    unsigned holders;
    unsigned pending_data; /* of them pending operations on its bytes and size */
    bool locked;
    struct sim_node *copy; /* during a copy of the disk only */
};

struct sim_entry {
    char *name;
    struct sim_node *node;
};
/* Names of a directory, in no order; at most a few dozen. */
struct sim_names {
    struct sim_entry *list;
    unsigned count, room;
};

struct sim_dir {
    char *path;
    struct sim_names seen, durable;
    struct sim_dir *next;
};

enum sim_kind { SIM_KIND_SECTOR, SIM_KIND_SIZE, SIM_KIND_CREATE, SIM_KIND_RENAME, SIM_KIND_REMOVE };

struct sim_op {
    enum sim_kind kind;
    struct sim_node *node; /* of names too, but for REMOVE */
    uint64_t at;           /* SECTOR: its number; SIZE: the size */
    uint8_t *sector;       /* SECTOR: SIM_SECTOR bytes */
    struct sim_dir *dir;   /* of names */
    char *name, *to;       /* to: RENAME */
};

static inline bool sim_op_is_data(const struct sim_op *op) {
    return op->kind == SIM_KIND_SECTOR || op->kind == SIM_KIND_SIZE;
}

struct sim_fault {
    uint64_t at; /* 0 = none */
    int status;
    bool persistent;
};
enum { SIM_FAULTS = 8, SIM_TRACE_LINES = 64, SIM_TRACE_BYTES = 96 };

struct sim_disk {
    struct vos os; /* first, so that one is the other */
    pthread_mutex_t mutex;
    struct vb_random random;
    struct sim_dir *dirs;
    struct sim_op *pending; /* [pending_room], in the order made */
    unsigned pending_count, pending_room;
    uint64_t ops, reads, syncs, crash_after;
    bool power_off;
    struct sim_fault faults[SIM_FAULTS], read_faults[SIM_FAULTS];
    enum sim_sync_failure sync_failure;
    uint64_t capacity, used; /* used: sum of seen.size over all nodes */
    uint64_t now_ns, tick_ns;
    unsigned handles;
    char trace[SIM_TRACE_LINES][SIM_TRACE_BYTES]; /* [ops % SIM_TRACE_LINES] */
};

struct vos_dir {
    struct sim_disk *disk;
    struct sim_dir *dir;
};
struct vos_file {
    struct sim_disk *disk;
    struct sim_node *node;
    bool writable;
    char name[64];
};

extern const struct vos_ops sim_vos_ops;

void *sim_need(void *pointer); /* the tests' memory does not run out */
void sim_bytes_resize(struct sim_bytes *bytes, size_t size); /* owns */
void sim_bytes_own(struct sim_bytes *bytes);                  /* before its bytes are changed */
void sim_bytes_share(struct sim_bytes *to, const struct sim_bytes *from);
void sim_bytes_free(struct sim_bytes *bytes);
struct sim_node *sim_node_new(void);
void sim_node_hold(struct sim_node *node);
void sim_node_drop(struct sim_disk *disk, struct sim_node *node);
struct sim_entry *sim_names_find(const struct sim_names *names, const char *name);
void sim_names_set(struct sim_disk *disk, struct sim_names *names, const char *name, struct sim_node *node); /* holds */
void sim_names_unset(struct sim_disk *disk, struct sim_names *names, const char *name);
struct sim_dir *sim_dir_find(const struct sim_disk *disk, const char *path, size_t length);
struct sim_dir *sim_dir_add(struct sim_disk *disk, const char *path, size_t length);
struct sim_op *sim_op_add(struct sim_disk *disk, enum sim_kind kind, struct sim_node *node);
void sim_op_apply(struct sim_disk *disk, const struct sim_op *op); /* to the durable images and names */
void sim_op_free(struct sim_disk *disk, struct sim_op *op);
/* Drops pending operations on files that have no name, now or durably, and no handle: nobody will see them again. */
void sim_ops_forget(struct sim_disk *disk);
void sim_node_resize(struct sim_disk *disk, struct sim_node *node, size_t size); /* what reads see, and `used` */

#endif
