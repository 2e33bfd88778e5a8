/* wset.c - the private write set.
 *
 * Owner thread only. Everything lies in the transaction's arena: what grows leaves its smaller copy behind until the
 * transaction ends, and nothing is freed one by one.
 * Invariants, besides those of wset.h
 *   1. The hash index, once built, holds exactly one entry per key that has a live write, and that entry is the write.
 *      Keys entered it in the order of their first writes, and rolling back takes them out in the opposite order, so
 *      emptying a place never breaks another key's probe sequence.
 *   2. A write whose `previous` is set has taken that write's place in every structure; rolling back gives it back,
 *      together with what was found, looked at or locked meanwhile, for locks and reads outlive a savepoint.
 *   3. In the ordered view a parent's priority is not below its children's; the links of writes outside it mean
 *      nothing.
 * Source of the ordered view: Aragon and Seidel, Randomized Search Trees, FOCS 1989, with their split and join done in
 * loops: a depth that the caller's keys decide must not cost stack.
 *
 * SPDX-License-Identifier: MIT
 */
#include "core/wset.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bytes.h"
#include "base/planted.h"

enum { LINEAR_WRITES = 8, FIRST_CAPACITY = 16, FIRST_INDEX = 64, INSERTION_SORT_WRITES = 24 };
#define COUNT_LIMIT (UINT32_C(1) << 30)

void vk_wset_init(struct vk_wset *wset, struct vb_arena *arena) {
    memset(wset, 0, sizeof(*wset));
    wset->arena = arena;
}

void vk_wset_reset(struct vk_wset *wset) {
    vk_wset_init(wset, wset->arena);
}

/* The two halves of a product, folded: short keys are hashed at every operation. */
static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(uint32_t table_id, varve_slice key) {
    if (vb_unlikely(key.size < 8 || key.size > 16)) return vb_hash64(key.data, key.size, table_id);
    uint64_t first = vb_get_u64(key.data), last = vb_get_u64((const uint8_t *)key.data + key.size - 8);
    uint64_t mixed = fold(first ^ UINT64_C(0x9e3779b97f4a7c15), last ^ UINT64_C(0xd1b54a32d192ed03));
    return fold(mixed ^ table_id, UINT64_C(0x8cb92ba72f3d8dd7) ^ key.size);
}

static uint64_t head_of(varve_slice key) {
    if (vb_likely(key.size >= 8)) return vb_get_u64_be(key.data);
    uint8_t padded[8] = {0};
    memcpy(padded, key.data, key.size);
    return vb_get_u64_be(padded);
}

static bool same_key(const struct vk_write *write, uint64_t hash, uint32_t table_id, varve_slice key) {
    if (VB_PLANTED(42) && ((write->hash ^ hash) & 63) == 0) return true;
    return write->hash == hash && write->table_id == table_id && vb_equal(write->key, key);
}

/* --- the hash index ----------------------------------------------------------------------------------------------- */

/* The place of a key's entry, or the empty one where it would go. */
static struct vk_write **index_place(struct vk_write **index, uint32_t size, const struct vk_write *like) {
    uint32_t at = (uint32_t)like->hash & (size - 1);
    while (index[at] != NULL && !same_key(index[at], like->hash, like->table_id, like->key)) at = (at + 1) & (size - 1);
    return &index[at];
}

/* An index of `size` places over all writes; NULL when out of memory. */
static struct vk_write **index_build(const struct vk_wset *wset, uint32_t size) {
    struct vk_write **index = vb_arena_alloc(wset->arena, (size_t)size * sizeof(struct vk_write *));
    if (index == NULL) return NULL;
    memset(index, 0, (size_t)size * sizeof(struct vk_write *));
    for (uint32_t i = 0; i < wset->count; i++) *index_place(index, size, wset->writes[i]) = wset->writes[i];
    return index;
}

static struct vk_write *find_hashed(const struct vk_wset *wset, uint64_t hash, uint32_t table_id, varve_slice key) {
    if (wset->index != NULL) {
        struct vk_write like = {.hash = hash, .table_id = table_id, .key = key};
        return *index_place(wset->index, wset->index_size, &like);
    }
    for (uint32_t i = wset->count; i-- > 0;) {
        struct vk_write *write = wset->writes[i];
        if (!write->superseded && same_key(write, hash, table_id, key)) return write;
    }
    return NULL;
}

struct vk_write *vk_wset_find(const struct vk_wset *wset, uint32_t table_id, varve_slice key) {
    if (wset->count == 0) return NULL;
    return find_hashed(wset, hash_of(table_id, key), table_id, key);
}

/* --- the ordered view --------------------------------------------------------------------------------------------- */

static int compare_key(uint32_t table_id, varve_slice key, const struct vk_write *write) {
    if (table_id != write->table_id) return table_id < write->table_id ? -1 : 1;
    return vb_compare(key, write->key);
}

/* The link that points at the write of this key, or where the search for it ends. */
static struct vk_write **ordered_link(struct vk_wset *wset, const struct vk_write *like) {
    struct vk_write **link = &wset->root;
    while (*link != NULL) {
        int order = compare_key(like->table_id, like->key, *link);
        if (order == 0) break;
        link = &(*link)->ordered[order > 0];
    }
    return link;
}

static void ordered_insert(struct vk_wset *wset, struct vk_write *write) {
    write->ordered_priority = (uint32_t)((write->hash + write->index) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    struct vk_write **link = &wset->root;
    while (*link != NULL && (*link)->ordered_priority >= write->ordered_priority)
        link = &(*link)->ordered[compare_key(write->table_id, write->key, *link) > 0];
    struct vk_write *rest = *link, **low = &write->ordered[0], **high = &write->ordered[1];
    *link = write;
    while (rest != NULL) {
        if (compare_key(write->table_id, write->key, rest) > 0) {
            *low = rest;
            low = &rest->ordered[1];
            rest = *low;
        } else {
            *high = rest;
            high = &rest->ordered[0];
            rest = *high;
        }
    }
    *low = NULL;
    *high = NULL;
}

static void ordered_remove(struct vk_wset *wset, struct vk_write *write) {
    struct vk_write **link = ordered_link(wset, write);
    struct vk_write *low = write->ordered[0], *high = write->ordered[1];
    while (low != NULL && high != NULL) {
        if (low->ordered_priority >= high->ordered_priority) {
            *link = low;
            link = &low->ordered[1];
            low = *link;
        } else {
            *link = high;
            link = &high->ordered[0];
            high = *link;
        }
    }
    *link = low != NULL ? low : high;
}

/* `to` takes the place of `from`, a write of the same key. */
static void ordered_replace(struct vk_wset *wset, struct vk_write *from, struct vk_write *to) {
    *ordered_link(wset, from) = to;
    to->ordered[0] = from->ordered[0];
    to->ordered[1] = from->ordered[1];
    to->ordered_priority = from->ordered_priority;
}

static void ordered_build(struct vk_wset *wset) {
    if (wset->ordered) return;
    wset->root = NULL;
    for (uint32_t i = 0; i < wset->count; i++)
        if (!wset->writes[i]->superseded) ordered_insert(wset, wset->writes[i]);
    wset->ordered = true;
}

/* The lowest write above the position {table_id, key} (direction 1), or the highest below it (0). An open key stands
 * for the end of the table that the walk starts from. */
static struct vk_write *ordered_seek(struct vk_wset *wset, uint32_t table_id, varve_slice key, bool strict,
                                     int direction) {
    ordered_build(wset);
    struct vk_write *best = NULL, *write = wset->root;
    while (write != NULL) {
        int order = compare_key(table_id, key, write);
        if (key.data == NULL && table_id == write->table_id) order = direction != 0 ? -1 : 1;
        if (order == 0 && !strict) return write;
        bool beyond = direction != 0 ? order < 0 : order > 0;
        if (beyond) best = write;
        write = write->ordered[beyond ? !direction : direction];
    }
    return best != NULL && best->table_id == table_id ? best : NULL;
}

struct vk_write *vk_wset_ge(struct vk_wset *wset, uint32_t table_id, varve_slice key, bool strict) {
    return wset->live == 0 ? NULL : ordered_seek(wset, table_id, key, strict, 1);
}

struct vk_write *vk_wset_le(struct vk_wset *wset, uint32_t table_id, varve_slice key, bool strict) {
    return wset->live == 0 ? NULL : ordered_seek(wset, table_id, key, strict, 0);
}

/* --- appending and rolling back ----------------------------------------------------------------------------------- */

vb_step bool no_room(const struct vk_wset *wset) {
    return wset->count == wset->capacity || wset->count >= LINEAR_WRITES;
}

/* Room for one more write, in the list and in the index. */
static int make_room(struct vk_wset *wset) {
    if (wset->count == wset->capacity) {
        uint32_t capacity = wset->capacity != 0 ? wset->capacity * 2 : FIRST_CAPACITY;
        if (capacity > COUNT_LIMIT) return VARVE_NOMEM;
        struct vk_write **writes = vb_arena_alloc(wset->arena, (size_t)capacity * sizeof(struct vk_write *));
        if (writes == NULL) return VARVE_NOMEM;
        if (wset->count != 0) memcpy(writes, wset->writes, (size_t)wset->count * sizeof(struct vk_write *));
        wset->writes = writes;
        wset->capacity = capacity;
    }
    if (wset->count < LINEAR_WRITES || (wset->index != NULL && wset->count < wset->index_size / 2)) return VARVE_OK;
    uint32_t size = wset->index != NULL ? wset->index_size * 2 : FIRST_INDEX;
    struct vk_write **index = index_build(wset, size);
    if (index == NULL) return VARVE_NOMEM;
    wset->index = index;
    wset->index_size = size;
    return VARVE_OK;
}

vb_step int copy_bytes(struct vb_arena *arena, varve_slice *bytes) {
    uint8_t *copy = vb_arena_alloc(arena, bytes->size);
    if (copy == NULL) return VARVE_NOMEM;
    if (vb_likely(bytes->size - 8 <= 8)) { /* most keys: two words that may overlap */
        uint64_t first = vb_get_u64(bytes->data), last = vb_get_u64((const uint8_t *)bytes->data + bytes->size - 8);
        vb_put_u64(copy, first);
        vb_put_u64(copy + bytes->size - 8, last);
    } else if (bytes->size != 0) {
        memcpy(copy, bytes->data, bytes->size);
    }
    bytes->data = copy;
    return VARVE_OK;
}

static void inherit(struct vk_write *write, const struct vk_write *previous) {
    if (previous->record != NULL) write->record = previous->record;
    write->locked = previous->locked;
    write->new_ghost = previous->new_ghost;
    write->held |= previous->held;
    write->looked |= previous->looked;
    if (!VB_PLANTED(91)) write->precondition = previous->precondition;
}

int vk_wset_add(struct vk_wset *wset, const struct vk_write *write, struct vk_write **added) {
    struct vk_write *made = vb_arena_alloc(wset->arena, sizeof(*made));
    if (made == NULL) return VARVE_NOMEM;
    *made = *write;
    made->hash = hash_of(made->table_id, made->key);
    made->head = head_of(made->key);
    made->superseded = false;
    made->previous = find_hashed(wset, made->hash, made->table_id, made->key);
    made->index = wset->count;
    if (vb_unlikely(no_room(wset))) VB_TRY(make_room(wset));
    if (made->previous != NULL)
        made->key = made->previous->key;
    else
        VB_TRY(copy_bytes(wset->arena, &made->key));
    if (made->kind == VK_DELETE)
        made->value = (varve_slice){NULL, 0};
    else
        VB_TRY(copy_bytes(wset->arena, &made->value));
    if (made->previous != NULL) {
        inherit(made, made->previous);
        made->previous->superseded = true;
        if (wset->ordered) ordered_replace(wset, made->previous, made);
    } else {
        wset->live++;
        if (wset->ordered) ordered_insert(wset, made);
    }
    if (wset->index != NULL) *index_place(wset->index, wset->index_size, made) = made;
    wset->writes[wset->count++] = made;
    wset->bytes += made->key.size + made->value.size;
    *added = made;
    return VARVE_OK;
}

uint32_t vk_wset_mark(const struct vk_wset *wset) {
    return wset->count;
}

static void revive(struct vk_write *previous, const struct vk_write *write) {
    previous->superseded = false;
    previous->record = write->record;
    previous->locked = write->locked;
    previous->new_ghost = write->new_ghost;
    previous->held = write->held;
    if (!VB_PLANTED(101)) previous->looked |= write->looked; /* what was read has been read */
}

void vk_wset_rollback(struct vk_wset *wset, uint32_t mark) {
    while (wset->count > mark + (VB_PLANTED(74) ? 1 : 0)) {
        struct vk_write *write = wset->writes[--wset->count], *previous = write->previous;
        wset->bytes -= write->key.size + write->value.size;
        if (wset->index != NULL) *index_place(wset->index, wset->index_size, write) = previous;
        if (previous != NULL) {
            if (wset->ordered) ordered_replace(wset, write, previous);
            revive(previous, write);
        } else {
            if (wset->ordered) ordered_remove(wset, write);
            wset->live--;
        }
    }
}

/* --- sorted output ------------------------------------------------------------------------------------------------ */

/* Heads order as keys do; only keys with equal heads have to be looked at. */
vb_step bool before(const struct vk_write *a, const struct vk_write *b) {
    if (vb_unlikely(a->table_id != b->table_id)) return a->table_id < b->table_id;
    return a->head != b->head ? a->head < b->head : vb_compare(a->key, b->key) < 0;
}

static void insertion_sort(struct vk_write **writes, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        struct vk_write *write = writes[i];
        uint32_t j = i;
        for (; j > 0 && before(write, writes[j - 1]); j--) writes[j] = writes[j - 1];
        writes[j] = write;
    }
}

static void sift_down(struct vk_write **writes, uint32_t at, uint32_t count) {
    struct vk_write *write = writes[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(writes[child], writes[child + 1])) child++;
        if (!before(write, writes[child])) break;
        writes[at] = writes[child];
    }
    writes[at] = write;
}

/* Heap sort: no memory and no bad case, for nothing may fail or drag on here. */
static void heap_sort(struct vk_write **writes, uint32_t count) {
    for (uint32_t at = count / 2; at-- > 0;) sift_down(writes, at, count);
    for (uint32_t end = count; end-- > 1;) {
        struct vk_write *last = writes[end];
        writes[end] = writes[0];
        writes[0] = last;
        sift_down(writes, 0, end);
    }
}

void vk_wset_sorted(struct vk_wset *wset, struct vk_write **sorted) {
    uint32_t count = 0;
    bool in_order = true;
    for (uint32_t i = 0; i < wset->count; i++) {
        struct vk_write *write = wset->writes[i];
        if (write->superseded) continue;
        if (count != 0 && before(write, sorted[count - 1])) in_order = false;
        sorted[count++] = write;
    }
    if (in_order || VB_PLANTED(69)) return;
    if (count <= INSERTION_SORT_WRITES)
        insertion_sort(sorted, count);
    else
        heap_sort(sorted, count);
}
