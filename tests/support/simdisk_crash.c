/* simdisk_crash.c - what a power cut leaves, copies of the disk, and the access behind the program's back.
 *
 * Thread rule: every function takes the mutex of the disk it reads.
 * A copy remembers in each node of the source which node stands for it (node->copy) and forgets it again at the end;
 * the mutex covers that time.
 *
 * SPDX-License-Identifier: MIT
 */
#include "support/simdisk.h"
#include "support/simdisk_int.h"

/* --- copies --------------------------------------------------------------------------------------------------- */

struct copying {
    struct sim_disk *to;
    struct sim_node **sources; /* [count]; their copies are held once by this list */
    unsigned count, room;
    bool with_seen; /* else what reads see is made from the durable image at the end */
};

static struct sim_node *copy_node(struct copying *copying, struct sim_node *source) {
    if (source->copy != NULL) return source->copy;
    struct sim_node *copy = sim_node_new();
    sim_bytes_share(&copy->durable, &source->durable);
    if (copying->with_seen) {
        sim_bytes_share(&copy->seen, &source->seen);
        copying->to->used += copy->seen.size;
    }
    sim_node_hold(copy);
    source->copy = copy;
    if (copying->count == copying->room) {
        copying->room = copying->room * 2 + 16;
        copying->sources = sim_need(realloc(copying->sources, copying->room * sizeof(*copying->sources)));
    }
    copying->sources[copying->count++] = source;
    return copy;
}

static void copy_names(struct copying *copying, struct sim_names *to, const struct sim_names *from) {
    for (unsigned i = 0; i < from->count; i++)
        sim_names_set(copying->to, to, from->list[i].name, copy_node(copying, from->list[i].node));
}

/* The same operation on the copy; sector and names are still the source's. */
static struct sim_op translate(struct copying *copying, const struct sim_op *op) {
    struct sim_op out = *op;
    if (op->node != NULL) out.node = copy_node(copying, op->node);
    if (op->dir != NULL) out.dir = sim_dir_find(copying->to, op->dir->path, strlen(op->dir->path));
    return out;
}

static void copy_op(struct copying *copying, const struct sim_op *op) {
    struct sim_op source = translate(copying, op);
    struct sim_op *copy = sim_op_add(copying->to, op->kind, source.node);
    copy->at = op->at;
    copy->dir = source.dir;
    if (op->sector != NULL) copy->sector = memcpy(sim_need(malloc(SIM_SECTOR)), op->sector, SIM_SECTOR);
    if (op->name != NULL) copy->name = sim_need(strdup(op->name));
    if (op->to != NULL) copy->to = sim_need(strdup(op->to));
}

/* An empty disk with the directories of the old one, their durable names, and its clock. */
static struct sim_disk *copy_begin(struct copying *copying, const struct sim_disk *disk, bool with_seen) {
    struct sim_disk *to = sim_create(0);
    *copying = (struct copying){.to = to, .with_seen = with_seen};
    to->random = disk->random;
    to->capacity = disk->capacity;
    to->sync_failure = disk->sync_failure;
    to->now_ns = disk->now_ns;
    to->tick_ns = disk->tick_ns;
    for (const struct sim_dir *dir = disk->dirs; dir != NULL; dir = dir->next) {
        struct sim_dir *made = sim_dir_add(to, dir->path, strlen(dir->path));
        copy_names(copying, &made->durable, &dir->durable);
        if (with_seen) copy_names(copying, &made->seen, &dir->seen);
    }
    return to;
}

static void copy_end(struct copying *copying) {
    for (unsigned i = 0; i < copying->count; i++) {
        sim_node_drop(copying->to, copying->sources[i]->copy);
        copying->sources[i]->copy = NULL;
    }
    free(copying->sources);
}

struct sim_disk *sim_clone(const struct sim_disk *disk) {
    struct sim_disk *source = (struct sim_disk *)disk;
    struct copying copying;
    pthread_mutex_lock(&source->mutex);
    struct sim_disk *to = copy_begin(&copying, disk, true);
    for (unsigned i = 0; i < disk->pending_count; i++)
        copy_op(&copying, &disk->pending[i]);
    copy_end(&copying);
    pthread_mutex_unlock(&source->mutex);
    sim_ops_forget(to); /* of files that only a handle of the source kept */
    return to;
}

/* --- policies ------------------------------------------------------------------------------------------------- */

enum fate { LOST, KEPT, ZEROED, GARBLED };
enum { RANDOM_CHOICES = 8 };

static unsigned pending_sectors(const struct sim_disk *disk) {
    unsigned count = 0;
    for (unsigned i = 0; i < disk->pending_count; i++)
        count += disk->pending[i].kind == SIM_KIND_SECTOR;
    return count;
}

static unsigned choices_locked(const struct sim_disk *disk, enum sim_policy policy) {
    unsigned pending = disk->pending_count;
    switch (policy) {
    case SIM_NOTHING:
    case SIM_ALL: return 1;
    case SIM_PREFIX: return pending + 1;
    case SIM_ALL_BUT_ONE:
    case SIM_EXACTLY_ONE: return pending != 0 ? pending : 1;
    case SIM_RANDOM: return pending != 0 ? RANDOM_CHOICES : 1;
    case SIM_BOUNDARY: return pending_sectors(disk) != 0 ? 4 * pending_sectors(disk) : 1;
    case SIM_METADATA_SKEW: return 3;
    }
    return 1;
}

unsigned sim_choices(const struct sim_disk *disk, enum sim_policy policy) {
    struct sim_disk *source = (struct sim_disk *)disk;
    pthread_mutex_lock(&source->mutex);
    unsigned choices = choices_locked(disk, policy);
    pthread_mutex_unlock(&source->mutex);
    return choices;
}

struct judging {
    enum sim_policy policy;
    unsigned choice;
    unsigned number, sectors; /* of operations and of sector writes judged so far */
    struct vb_random random;
};

static enum fate boundary_fate(const struct judging *judging, const struct sim_op *op) {
    static const enum fate at_boundary[] = {LOST, KEPT, ZEROED, GARBLED};
    unsigned boundary = judging->choice / 4;
    bool is_sector = op->kind == SIM_KIND_SECTOR;
    if (is_sector && judging->sectors == boundary) return at_boundary[judging->choice % 4];
    return judging->sectors <= boundary ? KEPT : LOST; /* `sectors` counts those before this operation */
}

static enum fate skew_fate(unsigned choice, const struct sim_op *op) {
    switch (choice) {
    case 0: return op->kind == SIM_KIND_SECTOR ? LOST : KEPT;
    case 1: return op->kind == SIM_KIND_SECTOR ? KEPT : LOST;
    default: return sim_op_is_data(op) ? KEPT : LOST;
    }
}

static enum fate judge(struct judging *judging, const struct sim_op *op) {
    bool chosen = judging->number == judging->choice;
    switch (judging->policy) {
    case SIM_NOTHING: return LOST;
    case SIM_ALL: return KEPT;
    case SIM_PREFIX: return judging->number < judging->choice ? KEPT : LOST;
    case SIM_ALL_BUT_ONE: return chosen ? LOST : KEPT;
    case SIM_EXACTLY_ONE: return chosen ? KEPT : LOST;
    case SIM_RANDOM: return vb_random_below(&judging->random, 4) <= judging->choice % 3 ? KEPT : LOST;
    case SIM_BOUNDARY: return boundary_fate(judging, op);
    case SIM_METADATA_SKEW: return skew_fate(judging->choice, op);
    }
    return LOST;
}

static void apply_fate(struct copying *copying, struct judging *judging, const struct sim_op *op, enum fate fate) {
    if (fate == LOST) return;
    struct sim_op survivor = translate(copying, op);
    uint8_t damaged[SIM_SECTOR] = {0};
    if (fate == GARBLED)
        for (int i = 0; i < SIM_SECTOR; i++)
            damaged[i] = (uint8_t)vb_random_u64(&judging->random);
    if (fate != KEPT) survivor.sector = damaged;
    sim_op_apply(copying->to, &survivor);
}

static void cut_at_size(struct sim_bytes *bytes) {
    for (size_t i = bytes->size; i < bytes->room; i++)
        if (bytes->data[i] != 0) {
            sim_bytes_own(bytes);
            memset(bytes->data + bytes->size, 0, bytes->room - bytes->size);
            return;
        }
}

/* After the reboot reads see what the disk holds, and nothing behind the end of a file. */
static void show_durable(struct copying *copying) {
    struct sim_disk *to = copying->to;
    for (unsigned i = 0; i < copying->count; i++) {
        struct sim_node *node = copying->sources[i]->copy;
        cut_at_size(&node->durable);
        sim_bytes_share(&node->seen, &node->durable);
        to->used += node->seen.size;
    }
    for (struct sim_dir *dir = to->dirs; dir != NULL; dir = dir->next)
        for (unsigned i = 0; i < dir->durable.count; i++)
            sim_names_set(to, &dir->seen, dir->durable.list[i].name, dir->durable.list[i].node);
}

struct sim_disk *sim_reboot(const struct sim_disk *disk, enum sim_policy policy, unsigned choice, uint64_t seed) {
    struct sim_disk *source = (struct sim_disk *)disk;
    struct copying copying;
    pthread_mutex_lock(&source->mutex);
    struct judging judging = {.policy = policy, .choice = choice};
    if (policy != SIM_RANDOM) judging.choice = choice % choices_locked(disk, policy);
    vb_random_init(&judging.random, seed ^ (choice + 1) * 0x9e3779b97f4a7c15u);
    struct sim_disk *to = copy_begin(&copying, disk, false);
    for (unsigned i = 0; i < disk->pending_count; i++) {
        const struct sim_op *op = &disk->pending[i];
        apply_fate(&copying, &judging, op, judge(&judging, op));
        judging.number++;
        judging.sectors += op->kind == SIM_KIND_SECTOR;
    }
    show_durable(&copying);
    copy_end(&copying);
    pthread_mutex_unlock(&source->mutex);
    vb_random_init(&to->random, seed);
    return to;
}

/* --- behind the program's back -------------------------------------------------------------------------------- */

/* The directory of "directory/name", and the name; NULL when there is none. */
static struct sim_dir *split_path(const struct sim_disk *disk, const char *path, const char **name) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return NULL;
    *name = slash + 1;
    return sim_dir_find(disk, path, (size_t)(slash - path));
}

static struct sim_node *find_node(const struct sim_disk *disk, const char *path, bool durable) {
    const char *name;
    struct sim_dir *dir = split_path(disk, path, &name);
    if (dir == NULL) return NULL;
    struct sim_entry *entry = sim_names_find(durable ? &dir->durable : &dir->seen, name);
    return entry != NULL ? entry->node : NULL;
}

static int by_path(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that a test that walks the files does the same in every run. */
int sim_list(const struct sim_disk *disk, int (*fn)(void *arg, const char *path, uint64_t size), void *arg) {
    struct sim_disk *source = (struct sim_disk *)disk;
    unsigned count = 0, filled = 0;
    pthread_mutex_lock(&source->mutex);
    for (const struct sim_dir *dir = disk->dirs; dir != NULL; dir = dir->next)
        count += dir->seen.count;
    char **paths = sim_need(calloc(count + 1, sizeof(*paths)));
    for (const struct sim_dir *dir = disk->dirs; dir != NULL; dir = dir->next)
        for (unsigned i = 0; i < dir->seen.count; i++)
            if (asprintf(&paths[filled++], "%s/%s", dir->path, dir->seen.list[i].name) < 0) abort();
    pthread_mutex_unlock(&source->mutex);
    qsort(paths, count, sizeof(*paths), by_path);
    int stop = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t size;
        if (stop == 0 && sim_file_size(disk, paths[i], &size)) stop = fn(arg, paths[i], size);
        free(paths[i]);
    }
    free(paths);
    return stop;
}

bool sim_file_size(const struct sim_disk *disk, const char *path, uint64_t *size) {
    struct sim_disk *source = (struct sim_disk *)disk;
    pthread_mutex_lock(&source->mutex);
    const struct sim_node *node = find_node(disk, path, false);
    if (node != NULL) *size = node->seen.size;
    pthread_mutex_unlock(&source->mutex);
    return node != NULL;
}

static bool within(const struct sim_bytes *bytes, uint64_t offset, size_t size) {
    return offset <= bytes->size && size <= bytes->size - offset;
}

static bool peek(const struct sim_disk *disk, const char *path, uint64_t offset, void *data, size_t size,
                 bool durable) {
    struct sim_disk *source = (struct sim_disk *)disk;
    pthread_mutex_lock(&source->mutex);
    const struct sim_node *node = find_node(disk, path, durable);
    const struct sim_bytes *bytes = node == NULL ? NULL : durable ? &node->durable : &node->seen;
    bool there = bytes != NULL && within(bytes, offset, size);
    if (there && size != 0) memcpy(data, bytes->data + offset, size);
    pthread_mutex_unlock(&source->mutex);
    return there;
}

bool sim_peek(const struct sim_disk *disk, const char *path, uint64_t offset, void *data, size_t size) {
    return peek(disk, path, offset, data, size, false);
}

bool sim_peek_durable(const struct sim_disk *disk, const char *path, uint64_t offset, void *data, size_t size) {
    return peek(disk, path, offset, data, size, true);
}

/* One byte everywhere it is: what reads see, the durable image, and the sectors on their way there. */
static void set_byte(struct sim_disk *disk, struct sim_node *node, size_t at, uint8_t byte) {
    sim_bytes_own(&node->seen);
    sim_bytes_own(&node->durable);
    node->seen.data[at] = byte;
    if (at < node->durable.size) node->durable.data[at] = byte;
    for (unsigned i = 0; i < disk->pending_count; i++) {
        const struct sim_op *op = &disk->pending[i];
        if (op->kind == SIM_KIND_SECTOR && op->node == node && op->at == at / SIM_SECTOR)
            op->sector[at % SIM_SECTOR] = byte;
    }
}

bool sim_poke(struct sim_disk *disk, const char *path, uint64_t offset, const void *data, size_t size) {
    pthread_mutex_lock(&disk->mutex);
    struct sim_node *node = find_node(disk, path, false);
    bool there = node != NULL && within(&node->seen, offset, size);
    for (size_t i = 0; there && i < size; i++)
        set_byte(disk, node, (size_t)offset + i, ((const uint8_t *)data)[i]);
    pthread_mutex_unlock(&disk->mutex);
    return there;
}

bool sim_flip(struct sim_disk *disk, const char *path, uint64_t offset, unsigned bit) {
    pthread_mutex_lock(&disk->mutex);
    struct sim_node *node = find_node(disk, path, false);
    bool there = node != NULL && within(&node->seen, offset, 1);
    if (there) set_byte(disk, node, (size_t)offset, (uint8_t)(node->seen.data[offset] ^ (1u << (bit % 8))));
    pthread_mutex_unlock(&disk->mutex);
    return there;
}

bool sim_resize(struct sim_disk *disk, const char *path, uint64_t size) {
    pthread_mutex_lock(&disk->mutex);
    struct sim_node *node = find_node(disk, path, false);
    if (node != NULL) {
        sim_node_resize(disk, node, (size_t)size);
        sim_bytes_resize(&node->durable, (size_t)size);
    }
    pthread_mutex_unlock(&disk->mutex);
    return node != NULL;
}

bool sim_delete(struct sim_disk *disk, const char *path) {
    const char *name;
    pthread_mutex_lock(&disk->mutex);
    struct sim_dir *dir = split_path(disk, path, &name);
    bool there = dir != NULL && sim_names_find(&dir->seen, name) != NULL;
    if (there) {
        sim_names_unset(disk, &dir->seen, name);
        sim_names_unset(disk, &dir->durable, name);
    }
    pthread_mutex_unlock(&disk->mutex);
    return there;
}

bool sim_move(struct sim_disk *disk, const char *from, const char *to) {
    const char *old_name, *new_name;
    pthread_mutex_lock(&disk->mutex);
    struct sim_dir *dir = split_path(disk, from, &old_name);
    struct sim_entry *entry = dir != NULL ? sim_names_find(&dir->seen, old_name) : NULL;
    bool there = entry != NULL && split_path(disk, to, &new_name) == dir && strcmp(old_name, new_name) != 0;
    if (there) {
        struct sim_node *node = entry->node;
        sim_names_set(disk, &dir->seen, new_name, node);
        sim_names_set(disk, &dir->durable, new_name, node);
        sim_names_unset(disk, &dir->seen, old_name);
        sim_names_unset(disk, &dir->durable, old_name);
    }
    pthread_mutex_unlock(&disk->mutex);
    return there;
}

bool sim_put(struct sim_disk *disk, const char *path, const void *data, size_t size) {
    const char *name = NULL;
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return false;
    pthread_mutex_lock(&disk->mutex);
    struct sim_dir *dir = split_path(disk, path, &name);
    if (dir == NULL) dir = sim_dir_add(disk, path, (size_t)(slash - path));
    struct sim_node *node = sim_node_new();
    sim_names_set(disk, &dir->seen, slash + 1, node);
    sim_names_set(disk, &dir->durable, slash + 1, node);
    sim_node_resize(disk, node, size);
    sim_bytes_resize(&node->durable, size);
    if (size != 0) {
        memcpy(node->seen.data, data, size);
        memcpy(node->durable.data, data, size);
    }
    pthread_mutex_unlock(&disk->mutex);
    return true;
}
