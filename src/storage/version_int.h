/* version_int.h - before-images, the chunks they live in, and blobs: what record.c, version.c, chunk.c, store.c and
 * apply.c share.
 *
 * A before-image keeps one version that was overwritten. It is written by the holder of the record's writer field and
 * published once, as the record's head; after that only `prev` changes, when a later image is unlinked.
 *  V1  image.before is the cts of the version kept; the cts that overwrote it is the image's `over`: the `before` of
 *      the image above, or the record's own cts where the image is the head (as it was when it was pushed)
 *  V2  stop rule: nobody follows a pointer to an older image when the version above it has a cts <= min_snap; below
 *      that point memory may be recycled. A reader at s obeys it by stopping at the first before <= s, because s is
 *      registered; a pruner compares with the capture it loaded inside its read section
 *  V3  an unlinked image keeps its prev, and its memory and blob stay until a grace period has passed: somebody may
 *      stand on it
 *  V4  the image whose [before, over) holds min_snap is never unlinked
 *  V5  a blob belongs to exactly one version: to the record while BLOB is set in its tid, to the image once it is
 *      pushed
 *  V6  above a split B (domain.h) the stop rule has young_min for min_snap: what lies between B and the present is cut off
 *      and recycled as if no older reader were there. Readers at s <= B do not go that way: the first install of a version
 *      before <= B makes its image the record's shortcut, before it is the head; from there on everything is as V2 has it
 *  V7  the image that a shortcut leads to is not unlinked while a capture shows B: a walk comes to it only from a version
 *      above young_min, so it holds young_min, which is a captured snapshot or the floor
 *
 * Why a reader at s <= B finds its version. A capture shows B only if whoever draws a cts > B sees it (C6), so a record
 * whose cts is above B has its shortcut, or had no version at or below B. A record whose cts was at or below B when the
 * reader loaded it, and whose head keeps a version above B now, was installed twice in the reader's own section: that image
 * is still there to be looked at. Any other head has the whole chain below it. The first cut comes a grace period after the
 * capture with B, when nobody is left who goes by the head because he has seen none.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_STORAGE_VERSION_INT_H
#define VARVE_STORAGE_VERSION_INT_H

#include <string.h>

#include "base/check.h"
#include "os/os.h"
#include "storage/storage.h"
#include "storage/storage_int.h"

/* More pushes than this on one chain since it was last pruned ask the janitor to take stock again. */
#define VST_CHAIN_LONG 16

struct vst_blob {
    uint64_t size;
    uint8_t bytes[]; /* never changed once it is in a record */
};
static inline uint64_t vst_blob_bytes(const struct vst_blob *blob) { return sizeof(*blob) + blob->size; }

struct vst_image {
    uint64_t before;        /* cts << 8 | GHOST or BLOB of the version kept; 0 while only reserved */
    struct vst_image *prev; /* atomic: the next older one */
    uint64_t len;           /* value bytes 24 . room / 8 12 . pushes 12 . offset in the chunk / 8 16 (low to high) */
    uint64_t link;          /* linked: floor of the capture that last pruned the chain; unlinked: the next pruned image */
    uint64_t words[];       /* value bytes, or the blob pointer in the first word */
};

#define VST_PUSHES_MAX 0xfffu
static inline uint32_t vst_image_value_bytes(const struct vst_image *i) { return (uint32_t)(i->len & 0xffffff); }
static inline uint32_t vst_image_room(const struct vst_image *i) { return (uint32_t)(i->len >> 24 & 0xfff) * 8; }
/* Images pushed on this chain since it was last pruned, this one included; stops at its largest value. */
static inline uint32_t vst_image_pushes(const struct vst_image *i) { return (uint32_t)(i->len >> 36 & VST_PUSHES_MAX); }
static inline void vst_image_set_pushes(struct vst_image *i, uint32_t n) {
    uint64_t kept = i->len & ~((uint64_t)VST_PUSHES_MAX << 36);
    i->len = kept | (uint64_t)(n < VST_PUSHES_MAX ? n : VST_PUSHES_MAX) << 36;
}
static inline uint32_t vst_image_offset(const struct vst_image *i) { return (uint32_t)(i->len >> 48) * 8; }
static inline uint32_t vst_image_bytes(uint32_t room) { return (uint32_t)sizeof(struct vst_image) + room; }
static inline struct vst_blob *vst_image_blob(const struct vst_image *i) {
    return (struct vst_blob *)(uintptr_t)i->words[0];
}
/* The next image a walker may step to. */
static inline struct vst_image *vst_image_prev(const struct vst_image *i) { return vb_load_acquire(&i->prev); }

/* States of a chunk, in order: open (owner bumps), closing (full, but an image in it is reserved and not yet
 * installed), sealed (given to the janitor), ready (nobody can need it; one more grace period), free. */
struct vst_chunk {
    struct vst_chunk *next;
    struct vst_versions *versions;
    uint64_t max_over;    /* the largest cts that overwrote a version kept here */
    uint64_t min_before;  /* the smallest cts of a version kept here */
    uint64_t blob_bytes;  /* of blobs that came here; what makes a chunk close early */
    uint64_t blob_bytes_freed; /* janitor */
    uint32_t size;        /* bytes, this header included */
    uint32_t used;        /* bytes, this header included */
    uint32_t pending;     /* images reserved, neither installed nor cancelled */
    uint32_t installed;
    uint32_t dropped;     /* janitor: pruned images whose grace period has passed */
    uint32_t in_limbo;    /* atomic: unlinked images the janitor has not dropped yet */
};

static inline struct vst_chunk *vst_image_chunk(struct vst_image *i) {
    return (struct vst_chunk *)(void *)((char *)i - vst_image_offset(i));
}

/* Two streams, so that images which a long-lived snapshot holds do not keep the short-lived ones beside them: those with a
 * version at or below the split (without one: min_snap) are old. */
enum vst_stream { VST_YOUNG = 0, VST_OLD = 1, VST_STREAMS = 2 };

struct vst_versions {
    /* owner */
    vb_aligned_line struct vst_store *store; /* NULL once the store is closed */
    struct vb_heap *heap;
    struct vst_chunk *open[VST_STREAMS];
    struct vst_chunk *closing;
    struct vst_chunk *spare;   /* free chunks, the owner's own stock */
    uint32_t fresh_bytes;      /* size of the next chunk to be allocated: doubles up to the limit */
    uint64_t bytes_taken;      /* relaxed: chunk and blob bytes that went into use */
    int64_t live_delta;        /* relaxed: records that became present less those that became ghosts */
    uint64_t pruned;           /* relaxed: images unlinked */
    /* between owner and janitor */
    vb_aligned_line struct vst_chunk *sealed; /* pushed by the owner, taken whole by the janitor */
    struct vst_chunk *recycled;               /* pushed by the janitor, taken whole by the owner */
    uint32_t recycled_count;                  /* chunks in the two free lists, approximate */
    /* janitor */
    vb_aligned_line struct vst_versions *next; /* list of the store */
    struct vst_chunk *waiting, *ready;
    struct vst_chunk *held;    /* waiting for a min_snap above held_by, so not looked at in each round */
    uint64_t held_by;
    uint32_t held_rounds;      /* since it was looked through */
    uint64_t bytes_given;      /* relaxed: bytes that came out of use again */
};

/* --- record.c ---------------------------------------------------------------------------------------------------- */

static inline uint32_t vst_len_value(uint64_t len) { return (uint32_t)(len >> 16 & 0xffffff); }
static inline uint32_t vst_len_capacity(uint64_t len) { return (uint32_t)(len >> 40 & 0xfff) * 8; }
#define VST_LEN_VALUE_MAX 0xffffffu
static inline uint64_t vst_len_with_value(uint64_t len, uint32_t value_bytes) {
    return (len & ~((uint64_t)VST_LEN_VALUE_MAX << 16)) | (uint64_t)value_bytes << 16;
}
/* The inline value area: constant place, because neither key nor capacity ever changes. */
static inline uint64_t *vst_value_words(const struct vst_record *r) {
    return (uint64_t *)(uintptr_t)(r->key + ((vst_key_bytes(r) + 7) & ~(size_t)7));
}

#define VST_SHORTCUT_BYTES sizeof(struct vst_image *)
/* Behind the value area; atomic. */
static inline struct vst_image **vst_shortcut(const struct vst_record *r) {
    uint64_t *end = vst_value_words(r) + vst_len_capacity(vb_load_relaxed(&r->len)) / 8;
    return (struct vst_image **)(void *)end;
}

/* --- memory.c ---------------------------------------------------------------------------------------------------- */

/* Clears QUEUED. False: the object was retired while it was queued, and is in the retired list now. Janitor. */
bool vst_hidden_unqueue(struct vst_store *store, struct vst_hidden *hidden);
void vst_hidden_free(struct vb_heap *heap, struct vst_hidden *hidden); /* nobody is left */
void vst_count_live(struct vst_store *store, const struct vb_heap *heap, int64_t delta);

/* --- lockword.c -------------------------------------------------------------------------------------------------- */

/* Takes the writer field when nobody holds or claims the record. */
bool vst_writer_try(struct vst_record *record, unsigned writer);
void vst_writer_drop(struct vk_domain *domain, struct vst_record *record);

/* --- store.c ----------------------------------------------------------------------------------------------------- */

void vst_gc_add_versions(struct vst_store *store, struct vst_versions *versions);
void vst_gc_remove_versions(struct vst_store *store, struct vst_versions *versions);
/* An image that was just unlinked. Any thread, in the read section in which it was unlinked. */
void vst_gc_limbo(struct vst_versions *versions, struct vst_image *image);

/* --- version.c --------------------------------------------------------------------------------------------------- */

/* Writes the new value and the new tid. The writer field is held; the old version has been kept, or nobody can want
 * it. */
void vst_value_write(struct vk_domain *domain, struct vst_record *record, const struct vst_change *change, uint64_t cts);

/* The newest image of the chain with before <= s, or NULL, for a record that showed `tid` in this read section. `s` is at or above
 * a stamp registered by the caller, or the floor. */
struct vst_image *vst_image_at(const struct vk_domain *domain, const struct vst_record *record, uint64_t tid, uint64_t s);

/* --- chunk.c ----------------------------------------------------------------------------------------------------- */

/* The room has served: the image was pushed when the version it keeps was overwritten by `over`; 0: it was not
 * needed. */
void vst_image_used(struct vst_versions *versions, struct vst_image *image, uint64_t over);
/* Janitor: a pruned image whose grace period has passed. */
void vst_image_dropped(struct vst_image *image, struct vb_heap *heap);
/* Janitor: moves chunks on; the round's grace period has passed. Returns how many came free. */
uint64_t vst_versions_collect(struct vst_versions *versions, const struct vk_capture *capture, struct vb_heap *heap);

#endif
