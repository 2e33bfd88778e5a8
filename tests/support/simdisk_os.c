/* simdisk_os.c - struct vos over a simulated disk.
 *
 * Thread rule: every call takes the disk's mutex for its whole length, but for the callback of a listing.
 * Invariants
 *   1. Every counted operation goes through op_begin and op_end, so that counting, planned faults and the cut of the
 *      power are in one place. The operation at which the power goes off has been done.
 *   2. With the power off nothing changes any more and every file call fails with VARVE_IO; handles can be closed.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <unistd.h>

#include "support/simdisk.h"
#include "support/simdisk_int.h"

static const size_t file_bytes_max = (size_t)1 << 31;

static int report(struct vos_error *error, int status, const char *call, const char *name) {
    if (error == NULL) return status;
    switch (status) {
    case VARVE_FULL: error->code = ENOSPC; break;
    case VARVE_NOTFOUND: error->code = ENOENT; break;
    case VARVE_EXISTS: error->code = EEXIST; break;
    case VARVE_BUSY: error->code = EAGAIN; break;
    case VARVE_INVALID: error->code = EINVAL; break;
    default: error->code = EIO; break;
    }
    snprintf(error->text, sizeof(error->text), "%s %s: simulated: %s", call, name, strerror(error->code));
    return status;
}

/* --- counted operations --------------------------------------------------------------------------------------- */

enum verdict { PERFORM, REFUSE, LIE };

static const struct sim_fault *fault_for(const struct sim_fault *faults, uint64_t index) {
    for (int i = 0; i < SIM_FAULTS; i++)
        if (faults[i].at != 0 && (index == faults[i].at || (faults[i].persistent && index > faults[i].at)))
            return &faults[i];
    return NULL;
}

/* With the power on: counts, and says what is to become of the operation; *status where it is refused. */
static enum verdict op_begin(struct sim_disk *disk, const char *call, const char *name, uint64_t at, int *status) {
    disk->ops++;
    char *line = disk->trace[disk->ops % SIM_TRACE_LINES];
    const struct sim_fault *fault = fault_for(disk->faults, disk->ops);
    snprintf(line, SIM_TRACE_BYTES, "%s %.60s %llu%s", call, name, (unsigned long long)at, fault != NULL ? " !" : "");
    if (fault == NULL || (fault->status == VARVE_FULL && strcmp(call, "remove") == 0)) return PERFORM;
    *status = fault->status;
    return fault->status == VARVE_OK ? LIE : REFUSE;
}

static void op_end(struct sim_disk *disk) {
    if (disk->ops >= disk->crash_after) disk->power_off = true;
}

/* --- directories ---------------------------------------------------------------------------------------------- */

static int sim_dir_open(struct vos *os, const char *path, bool create, unsigned mode, struct vos_dir **dir,
                        struct vos_error *error) {
    (void)mode;
    struct sim_disk *disk = (struct sim_disk *)os;
    int status = VARVE_OK;
    pthread_mutex_lock(&disk->mutex);
    struct sim_dir *found = sim_dir_find(disk, path, strlen(path));
    if (disk->power_off)
        status = VARVE_IO;
    else if (found == NULL && !create)
        status = VARVE_NOTFOUND;
    else if (found == NULL)
        found = sim_dir_add(disk, path, strlen(path));
    if (status == VARVE_OK) {
        *dir = sim_need(malloc(sizeof(**dir)));
        **dir = (struct vos_dir){disk, found};
        disk->handles++;
    }
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "open", path);
}

static void sim_dir_close(struct vos_dir *dir) {
    pthread_mutex_lock(&dir->disk->mutex);
    dir->disk->handles--;
    pthread_mutex_unlock(&dir->disk->mutex);
    free(dir);
}

/* Takes out of the pending operations those on the bytes of `node`, or else on the names of `dir`, and applies them. */
static void make_durable(struct sim_disk *disk, const struct sim_node *node, const struct sim_dir *dir) {
    unsigned kept = 0;
    for (unsigned i = 0; i < disk->pending_count; i++) {
        struct sim_op op = disk->pending[i];
        bool wanted = node != NULL ? sim_op_is_data(&op) && op.node == node : op.dir == dir;
        if (!wanted) {
            disk->pending[kept++] = op;
            continue;
        }
        sim_op_apply(disk, &op);
        sim_op_free(disk, &op);
    }
    disk->pending_count = kept;
}

static int sim_dir_sync(struct vos_dir *dir, struct vos_error *error) {
    struct sim_disk *disk = dir->disk;
    int status = VARVE_OK;
    pthread_mutex_lock(&disk->mutex);
    if (disk->power_off) {
        status = VARVE_IO;
    } else {
        if (op_begin(disk, "dirsync", dir->dir->path, 0, &status) == PERFORM) {
            make_durable(disk, NULL, dir->dir);
            sim_ops_forget(disk);
        }
        op_end(disk);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "fsync", dir->dir->path);
}

static int sim_dir_list(struct vos_dir *dir, int (*fn)(void *arg, const char *name), void *arg,
                        struct vos_error *error) {
    struct sim_disk *disk = dir->disk;
    pthread_mutex_lock(&disk->mutex);
    bool off = disk->power_off;
    unsigned count = dir->dir->seen.count;
    char **names = sim_need(malloc((count + 1) * sizeof(*names)));
    for (unsigned i = 0; i < count; i++)
        names[i] = sim_need(strdup(dir->dir->seen.list[i].name));
    pthread_mutex_unlock(&disk->mutex);
    int stop = off ? report(error, VARVE_IO, "list", dir->dir->path) : 0;
    for (unsigned i = 0; i < count && stop == 0; i++)
        stop = fn(arg, names[i]);
    for (unsigned i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return stop;
}

static bool name_is_bad(const char *name) {
    return name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           strlen(name) >= sizeof(((struct vos_file *)NULL)->name);
}

static struct sim_op *name_op(struct sim_disk *disk, enum sim_kind kind, struct sim_node *node, struct sim_dir *dir,
                              const char *name) {
    struct sim_op *op = sim_op_add(disk, kind, node);
    op->dir = dir;
    op->name = sim_need(strdup(name));
    return op;
}

static void do_rename(struct sim_disk *disk, struct sim_dir *dir, const char *from, const char *to) {
    struct sim_node *node = sim_names_find(&dir->seen, from)->node;
    if (strcmp(from, to) == 0) return;
    name_op(disk, SIM_KIND_RENAME, node, dir, from)->to = sim_need(strdup(to));
    sim_names_set(disk, &dir->seen, to, node);
    sim_names_unset(disk, &dir->seen, from);
}

static int sim_dir_rename(struct vos_dir *dir, const char *from, const char *to, struct vos_error *error) {
    struct sim_disk *disk = dir->disk;
    int status = VARVE_OK;
    pthread_mutex_lock(&disk->mutex);
    if (name_is_bad(from) || name_is_bad(to)) {
        status = VARVE_INVALID;
    } else if (disk->power_off) {
        status = VARVE_IO;
    } else if (sim_names_find(&dir->dir->seen, from) == NULL) {
        status = VARVE_NOTFOUND;
    } else {
        if (op_begin(disk, "rename", from, 0, &status) == PERFORM) do_rename(disk, dir->dir, from, to);
        op_end(disk);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "rename", from);
}

static int sim_dir_remove(struct vos_dir *dir, const char *name, struct vos_error *error) {
    struct sim_disk *disk = dir->disk;
    int status = VARVE_OK;
    pthread_mutex_lock(&disk->mutex);
    if (name_is_bad(name)) {
        status = VARVE_INVALID;
    } else if (disk->power_off) {
        status = VARVE_IO;
    } else if (sim_names_find(&dir->dir->seen, name) == NULL) {
        status = VARVE_NOTFOUND;
    } else {
        if (op_begin(disk, "remove", name, 0, &status) == PERFORM) {
            name_op(disk, SIM_KIND_REMOVE, NULL, dir->dir, name);
            sim_names_unset(disk, &dir->dir->seen, name);
        }
        op_end(disk);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "remove", name);
}

/* --- files: open, close, lock --------------------------------------------------------------------------------- */

static int do_create(struct sim_disk *disk, struct sim_dir *dir, const char *name) {
    int status = VARVE_OK;
    if (op_begin(disk, "create", name, 0, &status) == PERFORM) {
        struct sim_node *node = sim_node_new();
        name_op(disk, SIM_KIND_CREATE, node, dir, name);
        sim_names_set(disk, &dir->seen, name, node);
    } else if (status == VARVE_OK) {
        status = VARVE_IO; /* a lie about a name cannot be kept up: there would be no file to write to */
    }
    op_end(disk);
    return status;
}

/* With the mutex held. */
static int open_node(struct vos_dir *dir, const char *name, unsigned flags, struct vos_file **file) {
    struct sim_disk *disk = dir->disk;
    if (name_is_bad(name)) return VARVE_INVALID;
    if (disk->power_off) return VARVE_IO;
    struct sim_entry *entry = sim_names_find(&dir->dir->seen, name);
    if (entry != NULL && (flags & VOS_CREATE) != 0) return VARVE_EXISTS;
    if (entry == NULL) {
        if ((flags & (VOS_CREATE | VOS_CREATE_OR_OPEN)) == 0) return VARVE_NOTFOUND;
        int status = do_create(disk, dir->dir, name);
        if (status != VARVE_OK) return status;
        entry = sim_names_find(&dir->dir->seen, name);
    }
    struct vos_file *made = sim_need(calloc(1, sizeof(*made)));
    made->disk = disk;
    made->node = entry->node;
    made->writable = flags != VOS_READ;
    memcpy(made->name, name, strlen(name) + 1);
    sim_node_hold(made->node);
    disk->handles++;
    *file = made;
    return VARVE_OK;
}

/* With the mutex held. */
static void close_node(struct vos_file *file) {
    struct sim_disk *disk = file->disk;
    sim_node_drop(disk, file->node);
    sim_ops_forget(disk);
    disk->handles--;
}

static int sim_file_open(struct vos_dir *dir, const char *name, unsigned flags, unsigned mode, struct vos_file **file,
                         struct vos_error *error) {
    (void)mode;
    pthread_mutex_lock(&dir->disk->mutex);
    int status = open_node(dir, name, flags, file);
    pthread_mutex_unlock(&dir->disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "open", name);
}

static int sim_file_close(struct vos_file *file, struct vos_error *error) {
    struct sim_disk *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    close_node(file);
    int status = disk->power_off ? report(error, VARVE_IO, "close", file->name) : VARVE_OK;
    pthread_mutex_unlock(&disk->mutex);
    free(file);
    return status;
}

static int sim_dir_lock(struct vos_dir *dir, const char *name, unsigned mode, struct vos_file **lock,
                        uint64_t *holder_pid, struct vos_error *error) {
    (void)mode;
    struct vos_file *file = NULL;
    pthread_mutex_lock(&dir->disk->mutex);
    int status = open_node(dir, name, VOS_CREATE_OR_OPEN, &file);
    if (status == VARVE_OK && file->node->locked) {
        *holder_pid = (uint64_t)getpid();
        close_node(file);
        free(file);
        status = VARVE_BUSY;
    } else if (status == VARVE_OK) {
        file->node->locked = true;
        *lock = file;
    }
    pthread_mutex_unlock(&dir->disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "lock", name);
}

static void sim_dir_unlock(struct vos_file *lock) {
    struct sim_disk *disk = lock->disk;
    pthread_mutex_lock(&disk->mutex);
    lock->node->locked = false;
    close_node(lock);
    pthread_mutex_unlock(&disk->mutex);
    free(lock);
}

/* --- files: bytes --------------------------------------------------------------------------------------------- */

static int sim_vos_file_size(struct vos_file *file, uint64_t *size, struct vos_error *error) {
    pthread_mutex_lock(&file->disk->mutex);
    bool off = file->disk->power_off;
    if (!off) *size = file->node->seen.size;
    pthread_mutex_unlock(&file->disk->mutex);
    return off ? report(error, VARVE_IO, "size", file->name) : VARVE_OK;
}

static int sim_file_read(struct vos_file *file, uint64_t offset, void *data, size_t size, size_t *got,
                         struct vos_error *error) {
    struct sim_disk *disk = file->disk;
    int status = VARVE_OK;
    pthread_mutex_lock(&disk->mutex);
    const struct sim_fault *fault = fault_for(disk->read_faults, ++disk->reads);
    if (disk->power_off)
        status = VARVE_IO;
    else if (fault != NULL)
        status = fault->status;
    if (status == VARVE_OK) {
        const struct sim_bytes *seen = &file->node->seen;
        size_t there = offset < seen->size ? seen->size - (size_t)offset : 0;
        *got = size < there ? size : there;
        if (*got != 0) memcpy(data, seen->data + offset, *got);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "read", file->name);
}

static void add_size_op(struct sim_disk *disk, struct sim_node *node, size_t size) {
    sim_op_add(disk, SIM_KIND_SIZE, node)->at = size;
}

static void add_sector_op(struct sim_disk *disk, struct sim_node *node, uint64_t sector) {
    struct sim_op *op = sim_op_add(disk, SIM_KIND_SECTOR, node);
    size_t from = (size_t)sector * SIM_SECTOR, there = node->seen.size - from;
    op->at = sector;
    op->sector = sim_need(calloc(1, SIM_SECTOR));
    memcpy(op->sector, node->seen.data + from, there < SIM_SECTOR ? there : SIM_SECTOR);
}

/* What the program will read, and unless the device lies, what the disk will hold. */
static void do_write(struct sim_disk *disk, struct sim_node *node, size_t offset, const void *data, size_t size,
                     bool lie) {
    if (size == 0) return;
    if (offset + size > node->seen.size) {
        sim_node_resize(disk, node, offset + size);
        add_size_op(disk, node, offset + size);
    }
    sim_bytes_own(&node->seen);
    memcpy(node->seen.data + offset, data, size);
    if (lie) return;
    for (uint64_t sector = offset / SIM_SECTOR; sector <= (offset + size - 1) / SIM_SECTOR; sector++)
        add_sector_op(disk, node, sector);
}

/* How many of `size` bytes at `offset` the capacity has room for. */
static size_t bytes_that_fit(const struct sim_disk *disk, const struct sim_node *node, size_t offset, size_t size) {
    size_t now = node->seen.size;
    uint64_t left = disk->capacity > disk->used ? disk->capacity - disk->used : 0;
    if (offset + size <= now || left >= offset + size - now) return size;
    return now + left > offset ? (size_t)(now + left - offset) : 0;
}

/* With the mutex held and the power on. */
static int write_counted(struct vos_file *file, size_t offset, const void *data, size_t size) {
    struct sim_disk *disk = file->disk;
    int status = VARVE_OK;
    enum verdict verdict = op_begin(disk, "write", file->name, offset, &status);
    size_t done = bytes_that_fit(disk, file->node, offset, size);
    if (verdict == REFUSE) {
        size_t some = (size_t)vb_random_below(&disk->random, size / SIM_SECTOR + 1) * SIM_SECTOR;
        if (some >= size) some = size - 1; /* never all of it */
        if (some < done) done = some;
    } else if (done < size) {
        status = VARVE_FULL;
    }
    do_write(disk, file->node, offset, data, done, verdict == LIE);
    op_end(disk);
    return status;
}

static int sim_file_write(struct vos_file *file, uint64_t offset, const void *data, size_t size,
                          struct vos_error *error) {
    struct sim_disk *disk = file->disk;
    int status = VARVE_OK;
    pthread_mutex_lock(&disk->mutex);
    if (disk->power_off || !file->writable)
        status = VARVE_IO;
    else if (offset > file_bytes_max || size > file_bytes_max - offset)
        status = VARVE_FULL;
    else if (size != 0)
        status = write_counted(file, (size_t)offset, data, size);
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "write", file->name);
}

static int truncate_counted(struct vos_file *file, size_t size) {
    struct sim_disk *disk = file->disk;
    struct sim_node *node = file->node;
    int status = VARVE_OK;
    enum verdict verdict = op_begin(disk, "truncate", file->name, size, &status);
    if (verdict != REFUSE && size > node->seen.size &&
        bytes_that_fit(disk, node, node->seen.size, size - node->seen.size) < size - node->seen.size) {
        status = VARVE_FULL;
    } else if (verdict != REFUSE && size != node->seen.size) {
        sim_node_resize(disk, node, size);
        if (verdict == PERFORM) add_size_op(disk, node, size);
    }
    op_end(disk);
    return status;
}

static int sim_file_truncate(struct vos_file *file, uint64_t size, struct vos_error *error) {
    struct sim_disk *disk = file->disk;
    int status;
    pthread_mutex_lock(&disk->mutex);
    if (disk->power_off || !file->writable)
        status = VARVE_IO;
    else if (size > file_bytes_max)
        status = VARVE_FULL;
    else
        status = truncate_counted(file, (size_t)size);
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "truncate", file->name);
}

/* Growing takes room here as it is, so reserving is the same. */
static int sim_file_allocate(struct vos_file *file, uint64_t size, struct vos_error *error) {
    pthread_mutex_lock(&file->disk->mutex);
    bool grows = size > file->node->seen.size;
    pthread_mutex_unlock(&file->disk->mutex);
    return grows ? sim_file_truncate(file, size, error) : VARVE_OK;
}

/* Reads go back to what the disk holds; the size stays, as the inode is still in memory. */
static void revert_sector(struct sim_node *node, uint64_t sector) {
    size_t from = (size_t)sector * SIM_SECTOR;
    sim_bytes_own(&node->seen);
    for (size_t i = from; i < from + SIM_SECTOR && i < node->seen.size; i++)
        node->seen.data[i] = i < node->durable.size ? node->durable.data[i] : 0;
}

static void fail_sync(struct sim_disk *disk, struct sim_node *node) {
    unsigned kept = 0;
    for (unsigned i = 0; i < disk->pending_count; i++) {
        struct sim_op op = disk->pending[i];
        bool is_sector = op.kind == SIM_KIND_SECTOR;
        bool some = disk->sync_failure == SIM_SYNC_DROPS_SOME;
        if (!sim_op_is_data(&op) || op.node != node || (!is_sector && !some)) {
            disk->pending[kept++] = op;
            continue;
        }
        if (some && (!is_sector || vb_random_below(&disk->random, 2) == 0)) sim_op_apply(disk, &op);
        if (disk->sync_failure == SIM_SYNC_REVERTS) revert_sector(node, op.at);
        sim_op_free(disk, &op);
    }
    disk->pending_count = kept;
}

static int sim_file_sync(struct vos_file *file, struct vos_error *error) {
    struct sim_disk *disk = file->disk;
    int status = VARVE_OK;
    pthread_mutex_lock(&disk->mutex);
    if (disk->power_off) {
        status = VARVE_IO;
    } else {
        disk->syncs++;
        enum verdict verdict = op_begin(disk, "sync", file->name, 0, &status);
        if (verdict == PERFORM) make_durable(disk, file->node, NULL);
        if (verdict == REFUSE) fail_sync(disk, file->node);
        op_end(disk);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status == VARVE_OK ? VARVE_OK : report(error, status, "sync", file->name);
}

/* --- the rest of the world ------------------------------------------------------------------------------------ */

static uint64_t sim_now_ns(struct vos *os) {
    struct sim_disk *disk = (struct sim_disk *)os;
    pthread_mutex_lock(&disk->mutex);
    uint64_t now = disk->now_ns += disk->tick_ns;
    pthread_mutex_unlock(&disk->mutex);
    return now;
}

static uint64_t sim_wall_ns(struct vos *os) {
    return 1700000000ull * 1000000000ull + sim_now_ns(os);
}

static int sim_random(struct vos *os, void *data, size_t size) {
    struct sim_disk *disk = (struct sim_disk *)os;
    pthread_mutex_lock(&disk->mutex);
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)vb_random_u64(&disk->random);
    pthread_mutex_unlock(&disk->mutex);
    return VARVE_OK;
}

static uint64_t sim_pid(struct vos *os) {
    (void)os;
    return (uint64_t)getpid();
}

const struct vos_ops sim_vos_ops = {
    .dir_open = sim_dir_open,
    .dir_close = sim_dir_close,
    .dir_sync = sim_dir_sync,
    .dir_list = sim_dir_list,
    .dir_rename = sim_dir_rename,
    .dir_remove = sim_dir_remove,
    .dir_lock = sim_dir_lock,
    .dir_unlock = sim_dir_unlock,
    .file_open = sim_file_open,
    .file_close = sim_file_close,
    .file_size = sim_vos_file_size,
    .file_read = sim_file_read,
    .file_write = sim_file_write,
    .file_sync = sim_file_sync,
    .file_truncate = sim_file_truncate,
    .file_allocate = sim_file_allocate,
    .now_ns = sim_now_ns,
    .wall_ns = sim_wall_ns,
    .random = sim_random,
    .pid = sim_pid,
};
