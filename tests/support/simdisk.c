/* simdisk.c - the simulated disk: its parts, its pending operations, plans and counters. The calls of struct vos are in
 * simdisk_os.c; crashes, copies and the raw access are in simdisk_crash.c.
 *
 * Thread rule: every function here expects the disk's mutex to be held, but for those of simdisk.h, which take it.
 *
 * SPDX-License-Identifier: MIT
 */
#include "support/simdisk.h"

#include "base/atomics.h"
#include "support/simdisk_int.h"

void *sim_need(void *pointer) {
    if (pointer == NULL) abort();
    return pointer;
}

/* --- parts ---------------------------------------------------------------------------------------------------- */

/* The count of sharers lies in the sixteen bytes before the data. */
enum { COUNT_BYTES = 16 };

static uint32_t *sharers(const uint8_t *data) {
    return (uint32_t *)(void *)(uintptr_t)(data - COUNT_BYTES);
}

static uint8_t *new_data(size_t room) {
    uint8_t *block = sim_need(malloc(COUNT_BYTES + room));
    *sharers(block + COUNT_BYTES) = 1;
    return block + COUNT_BYTES;
}

void sim_bytes_free(struct sim_bytes *bytes) {
    if (bytes->data != NULL && vb_sub_acq_rel(sharers(bytes->data), 1) == 1) free(bytes->data - COUNT_BYTES);
    *bytes = (struct sim_bytes){NULL, 0, 0};
}

void sim_bytes_share(struct sim_bytes *to, const struct sim_bytes *from) {
    *to = *from;
    if (to->data != NULL) vb_add_relaxed(sharers(to->data), 1);
}

/* As its own, with at least `room` bytes of room. */
static void bytes_own(struct sim_bytes *bytes, size_t room) {
    bool own = bytes->data == NULL || vb_load_acquire(sharers(bytes->data)) == 1;
    if (own && room <= bytes->room) return;
    struct sim_bytes old = *bytes;
    if (room < old.room) room = old.room;
    bytes->data = new_data(room);
    bytes->room = room;
    if (old.room != 0) memcpy(bytes->data, old.data, old.room);
    memset(bytes->data + old.room, 0, room - old.room);
    sim_bytes_free(&old);
}

void sim_bytes_own(struct sim_bytes *bytes) {
    bytes_own(bytes, bytes->room);
}

void sim_bytes_resize(struct sim_bytes *bytes, size_t size) {
    bytes_own(bytes, size <= bytes->room ? bytes->room : bytes->room * 2 > size ? bytes->room * 2 : size);
    if (size < bytes->size) memset(bytes->data + size, 0, bytes->size - size);
    bytes->size = size;
}

struct sim_node *sim_node_new(void) {
    return sim_need(calloc(1, sizeof(struct sim_node)));
}

void sim_node_hold(struct sim_node *node) {
    node->holders++;
}

void sim_node_drop(struct sim_disk *disk, struct sim_node *node) {
    if (--node->holders != 0) return;
    disk->used -= node->seen.size;
    sim_bytes_free(&node->seen);
    sim_bytes_free(&node->durable);
    free(node);
}

void sim_node_resize(struct sim_disk *disk, struct sim_node *node, size_t size) {
    disk->used = disk->used - node->seen.size + size;
    sim_bytes_resize(&node->seen, size);
}

struct sim_entry *sim_names_find(const struct sim_names *names, const char *name) {
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->list[i].name, name) == 0) return &names->list[i];
    return NULL;
}

void sim_names_set(struct sim_disk *disk, struct sim_names *names, const char *name, struct sim_node *node) {
    sim_node_hold(node);
    struct sim_entry *entry = sim_names_find(names, name);
    if (entry != NULL) {
        sim_node_drop(disk, entry->node);
        entry->node = node;
        return;
    }
    if (names->count == names->room) {
        names->room = names->room * 2 + 8;
        names->list = sim_need(realloc(names->list, names->room * sizeof(*names->list)));
    }
    names->list[names->count++] = (struct sim_entry){sim_need(strdup(name)), node};
}

void sim_names_unset(struct sim_disk *disk, struct sim_names *names, const char *name) {
    struct sim_entry *entry = sim_names_find(names, name);
    if (entry == NULL) return;
    free(entry->name);
    sim_node_drop(disk, entry->node);
    *entry = names->list[--names->count];
}

static size_t path_length(const char *path, size_t length) {
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length;
}

struct sim_dir *sim_dir_find(const struct sim_disk *disk, const char *path, size_t length) {
    length = path_length(path, length);
    for (struct sim_dir *dir = disk->dirs; dir != NULL; dir = dir->next)
        if (strlen(dir->path) == length && memcmp(dir->path, path, length) == 0) return dir;
    return NULL;
}

struct sim_dir *sim_dir_add(struct sim_disk *disk, const char *path, size_t length) {
    struct sim_dir *dir = sim_need(calloc(1, sizeof(*dir)));
    dir->path = sim_need(strndup(path, path_length(path, length)));
    dir->next = disk->dirs;
    disk->dirs = dir;
    return dir;
}

/* --- pending operations --------------------------------------------------------------------------------------- */

struct sim_op *sim_op_add(struct sim_disk *disk, enum sim_kind kind, struct sim_node *node) {
    if (disk->pending_count == disk->pending_room) {
        disk->pending_room = disk->pending_room * 2 + 64;
        disk->pending = sim_need(realloc(disk->pending, disk->pending_room * sizeof(*disk->pending)));
    }
    struct sim_op *op = &disk->pending[disk->pending_count++];
    *op = (struct sim_op){.kind = kind, .node = node};
    if (node != NULL) sim_node_hold(node);
    if (sim_op_is_data(op)) node->pending_data++;
    return op;
}

void sim_op_free(struct sim_disk *disk, struct sim_op *op) {
    if (sim_op_is_data(op)) op->node->pending_data--;
    if (op->node != NULL) sim_node_drop(disk, op->node);
    free(op->sector);
    free(op->name);
    free(op->to);
}

void sim_ops_forget(struct sim_disk *disk) {
    unsigned kept = 0;
    for (unsigned i = 0; i < disk->pending_count; i++) {
        struct sim_op *op = &disk->pending[i];
        if (sim_op_is_data(op) && op->node->holders == op->node->pending_data)
            sim_op_free(disk, op);
        else
            disk->pending[kept++] = *op;
    }
    disk->pending_count = kept;
}

/* A sector behind the durable end is kept, so that a size that comes later shows it; sim_reboot cuts off what no size
 * covers. */
static void apply_sector(struct sim_node *node, uint64_t sector, const uint8_t *data) {
    size_t size = node->durable.size, end = (size_t)(sector + 1) * SIM_SECTOR;
    sim_bytes_resize(&node->durable, end > size ? end : size);
    node->durable.size = size;
    memcpy(node->durable.data + sector * SIM_SECTOR, data, SIM_SECTOR);
}

/* Whatever lies behind the size at this moment was cut off by it, or never covered. */
static void apply_size(struct sim_node *node, size_t size) {
    struct sim_bytes *bytes = &node->durable;
    sim_bytes_resize(bytes, size > bytes->size ? size : bytes->size);
    if (size < bytes->room) memset(bytes->data + size, 0, bytes->room - size);
    bytes->size = size;
}

void sim_op_apply(struct sim_disk *disk, const struct sim_op *op) {
    switch (op->kind) {
    case SIM_KIND_SECTOR: apply_sector(op->node, op->at, op->sector); break;
    case SIM_KIND_SIZE: apply_size(op->node, (size_t)op->at); break;
    case SIM_KIND_CREATE: sim_names_set(disk, &op->dir->durable, op->name, op->node); break;
    case SIM_KIND_RENAME:
        sim_names_unset(disk, &op->dir->durable, op->name);
        sim_names_set(disk, &op->dir->durable, op->to, op->node);
        break;
    case SIM_KIND_REMOVE: sim_names_unset(disk, &op->dir->durable, op->name); break;
    }
}

/* --- life and plans ------------------------------------------------------------------------------------------- */

struct sim_disk *sim_create(uint64_t seed) {
    struct sim_disk *disk = sim_need(calloc(1, sizeof(*disk)));
    disk->os.ops = &sim_vos_ops;
    pthread_mutex_init(&disk->mutex, NULL);
    vb_random_init(&disk->random, seed);
    disk->crash_after = UINT64_MAX;
    disk->capacity = UINT64_MAX;
    disk->now_ns = 1000000000u;
    disk->tick_ns = 1000;
    return disk;
}

static void names_free(struct sim_disk *disk, struct sim_names *names) {
    while (names->count != 0)
        sim_names_unset(disk, names, names->list[0].name);
    free(names->list);
}

void sim_free(struct sim_disk *disk) {
    if (disk == NULL) return;
    if (disk->handles != 0) {
        fprintf(stderr, "simdisk: %u handles are still open\n", disk->handles);
        abort();
    }
    for (unsigned i = 0; i < disk->pending_count; i++)
        sim_op_free(disk, &disk->pending[i]);
    free(disk->pending);
    while (disk->dirs != NULL) {
        struct sim_dir *dir = disk->dirs;
        disk->dirs = dir->next;
        names_free(disk, &dir->seen);
        names_free(disk, &dir->durable);
        free(dir->path);
        free(dir);
    }
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

struct vos *sim_os(struct sim_disk *disk) {
    return &disk->os;
}

/* The mutex is no part of what a reader of the disk sees. */
#define LOCKED_GET(type, disk, expression)                               \
    do {                                                                 \
        struct sim_disk *locked_disk = (struct sim_disk *)(disk);        \
        pthread_mutex_lock(&locked_disk->mutex);                         \
        type locked_value = (expression);                                \
        pthread_mutex_unlock(&locked_disk->mutex);                       \
        return locked_value;                                             \
    } while (0)
#define LOCKED_DO(disk, statement)               \
    do {                                         \
        pthread_mutex_lock(&(disk)->mutex);      \
        statement;                               \
        pthread_mutex_unlock(&(disk)->mutex);    \
    } while (0)

uint64_t sim_ops(const struct sim_disk *disk) {
    LOCKED_GET(uint64_t, disk, disk->ops);
}

uint64_t sim_reads(const struct sim_disk *disk) {
    LOCKED_GET(uint64_t, disk, disk->reads);
}

uint64_t sim_syncs(const struct sim_disk *disk) {
    LOCKED_GET(uint64_t, disk, disk->syncs);
}

unsigned sim_pending(const struct sim_disk *disk) {
    LOCKED_GET(unsigned, disk, disk->pending_count);
}

bool sim_power_is_off(const struct sim_disk *disk) {
    LOCKED_GET(bool, disk, disk->power_off);
}

uint64_t sim_used_bytes(const struct sim_disk *disk) {
    LOCKED_GET(uint64_t, disk, disk->used);
}

void sim_crash_after(struct sim_disk *disk, uint64_t nth_io_op) {
    LOCKED_DO(disk, disk->crash_after = nth_io_op; disk->power_off = disk->ops >= nth_io_op);
}

static void plan_fault(struct sim_fault *faults, struct sim_fault plan) {
    for (int i = 0; i < SIM_FAULTS; i++)
        if (faults[i].at == 0) {
            faults[i] = plan;
            return;
        }
    abort();
}

void sim_fail_at(struct sim_disk *disk, uint64_t op_index, int status, bool persistent) {
    LOCKED_DO(disk, plan_fault(disk->faults, (struct sim_fault){op_index, status, persistent}));
}

void sim_fail_read_at(struct sim_disk *disk, uint64_t read_index, int status, bool persistent) {
    LOCKED_DO(disk, plan_fault(disk->read_faults, (struct sim_fault){read_index, status, persistent}));
}

void sim_fail_clear(struct sim_disk *disk) {
    LOCKED_DO(disk, memset(disk->faults, 0, sizeof(disk->faults));
              memset(disk->read_faults, 0, sizeof(disk->read_faults)));
}

void sim_set_sync_failure(struct sim_disk *disk, enum sim_sync_failure behaviour) {
    LOCKED_DO(disk, disk->sync_failure = behaviour);
}

void sim_set_capacity(struct sim_disk *disk, uint64_t bytes) {
    LOCKED_DO(disk, disk->capacity = bytes);
}

void sim_set_tick(struct sim_disk *disk, uint64_t tick_ns) {
    LOCKED_DO(disk, disk->tick_ns = tick_ns);
}

void sim_advance(struct sim_disk *disk, uint64_t ns) {
    LOCKED_DO(disk, disk->now_ns += ns);
}

static void print_op(const struct sim_op *op, FILE *out) {
    static const char *const kinds[] = {"sector", "size", "create", "rename", "remove"};
    fprintf(out, "  %s", kinds[op->kind]);
    if (op->name != NULL) fprintf(out, " %s", op->name);
    if (op->to != NULL) fprintf(out, " to %s", op->to);
    if (op->kind == SIM_KIND_SECTOR) fprintf(out, " at %llu", (unsigned long long)(op->at * SIM_SECTOR));
    if (op->kind == SIM_KIND_SIZE) fprintf(out, " %llu", (unsigned long long)op->at);
    fputc('\n', out);
}

void sim_trace(const struct sim_disk *disk, FILE *out) {
    struct sim_disk *locked = (struct sim_disk *)disk;
    pthread_mutex_lock(&locked->mutex);
    uint64_t first = disk->ops > SIM_TRACE_LINES ? disk->ops - SIM_TRACE_LINES + 1 : 1;
    for (uint64_t i = first; i <= disk->ops; i++)
        fprintf(out, "op %llu: %s\n", (unsigned long long)i, disk->trace[i % SIM_TRACE_LINES]);
    fprintf(out, "pending %u%s\n", disk->pending_count, disk->power_off ? ", power off" : "");
    for (unsigned i = 0; i < disk->pending_count && i < SIM_TRACE_LINES; i++)
        print_op(&disk->pending[i], out);
    pthread_mutex_unlock(&locked->mutex);
}
