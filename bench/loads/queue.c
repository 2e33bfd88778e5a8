/* queue.c - a queue in an ordered map: items are appended at the right edge and taken from the left.
 *
 * Both edges are as hot as can be, and the left one is full of rows just removed: what a scan for the first row costs
 * there is what the load shows. Each thread draws by halves whether it appends or takes, so that the length stays around
 * what it was at first. A row holds the next ticket; an item's key is its ticket, its value begins with its producer and its
 * number among that producer's items. A row for each producer holds the number that was taken last, so a taker proves in
 * its own transaction that it takes what comes next. A taker that finds nothing rolls back, counted apart.
 *
 * Invariant (at snapshot and above): each producer's items were taken once each and in order; what is left are exactly the
 * later ones, in order; taken and left are what was appended.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum { ITEM = 'q', TICKET = 't', LAST = 'u', VALUE_LEAST = 16, VALUE_MOST = 4000, AT_FIRST = 1000 };
enum kind { APPEND, TAKE };
enum { APPENDED, TAKEN, OUT_OF_ORDER }; /* tally */

struct item {
    uint64_t producer, number;
};

static struct bl_key key_of(uint8_t table, uint64_t number) {
    struct bl_key key = bl_key_of(table);
    bl_key_add(&key, number, 8);
    return key;
}
static int get_number(struct bl_session *s, uint8_t table, uint64_t row, uint64_t *number) {
    struct bl_key key = key_of(table, row);
    return bl_read_to_write(s, bl_slice(&key), number, sizeof(*number));
}
static int set_number(struct bl_session *s, uint8_t table, uint64_t row, uint64_t number) {
    struct bl_key key = key_of(table, row);
    return bl_write(s, bl_slice(&key), &number, sizeof(number));
}

static int prepare(struct bl_run *run) {
    const struct bl_settings *o = &run->settings;
    if (o->value_bytes < VALUE_LEAST || o->value_bytes > VALUE_MOST)
        return bl_refuse(run, VARVE_INVALID, "values of 16 to 4000 bytes");
    return VARVE_OK;
}

/* Producers are the threads; one more made the items of the fill. */
static uint64_t first_items(const struct bl_run *run) {
    return run->settings.records < AT_FIRST ? run->settings.records : AT_FIRST;
}

static int put_item(struct bl_session *s, uint64_t ticket, struct item item) {
    struct bl_key key = key_of(ITEM, ticket);
    size_t size = s->run->settings.value_bytes;
    memset(s->buffer, 0, size);
    memcpy(s->buffer, &item, sizeof(item));
    return bl_insert(s, bl_slice(&key), VARVE_SLICE(s->buffer, size));
}

static int fill_all(struct bl_session *s, void *arg) {
    const struct bl_run *run = s->run;
    uint64_t count = first_items(run), filler = run->settings.threads;
    (void)arg;
    for (uint64_t n = 0; n < count; n++) BL_TRY(put_item(s, n, (struct item){filler, n + 1}));
    for (uint64_t p = 0; p <= filler; p++) BL_TRY(set_number(s, LAST, p, 0));
    return set_number(s, TICKET, 0, count);
}
static int fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run, (void)parts;
    return part == 0 ? bl_transaction(s, false, fill_all, NULL) : VARVE_OK;
}

static unsigned draw(struct bl_session *s) { return vb_random_below(&s->random, 2) == 0 ? APPEND : TAKE; }

static int append(struct bl_session *s) {
    uint64_t ticket;
    BL_TRY(get_number(s, TICKET, 0, &ticket));
    BL_TRY(set_number(s, TICKET, 0, ticket + 1));
    int status = put_item(s, ticket, (struct item){s->thread, (uint64_t)s->tally[APPENDED] + 1});
    return status == VARVE_EXISTS ? BL_ROLLBACK : status; /* at weak levels: the same ticket was drawn twice */
}

struct first {
    struct bl_key key;
    struct item item;
    bool found;
};
static int see_first(void *arg, varve_slice key, varve_slice value) {
    struct first *first = arg;
    if (key.size > sizeof(first->key.bytes) || value.size < sizeof(first->item)) return 1;
    memcpy(first->key.bytes, key.data, key.size);
    first->key.size = key.size;
    memcpy(&first->item, value.data, sizeof(first->item));
    first->found = true;
    return 1;
}

static int take(struct bl_session *s) {
    struct first first = {.found = false};
    uint8_t low[1] = {ITEM}, high[1] = {ITEM + 1};
    uint64_t last;
    const struct peer *engine = s->run->engine;
    s->reads++;
    BL_TRY(engine->scan(s->txn, VARVE_SLICE(low, 1), VARVE_SLICE(high, 1), 1, false, see_first, &first));
    if (!first.found) return BL_ROLLBACK;
    BL_TRY(get_number(s, LAST, first.item.producer, &last));
    s->draw[0] = first.item.number != last + 1;
    s->writes++;
    int status = engine->remove(s->txn, bl_slice(&first.key));
    if (status == VARVE_NOTFOUND) return BL_ROLLBACK; /* at weak levels: somebody was faster */
    return status == VARVE_OK ? set_number(s, LAST, first.item.producer, first.item.number) : status;
}

static int body(struct bl_session *s, unsigned kind) { return kind == APPEND ? append(s) : take(s); }

static void done(struct bl_session *s, unsigned kind, bool committed) {
    if (!committed) return;
    s->tally[kind == APPEND ? APPENDED : TAKEN]++;
    if (kind == TAKE) s->tally[OUT_OF_ORDER] += (int64_t)s->draw[0];
}

/* --- the invariant ------------------------------------------------------------------------------------------------ */

struct check {
    uint64_t *last;     /* [producers] the last number seen, taken or left */
    uint64_t producers, taken, left, ticket, wrong;
};
static int see_item(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    struct item item = {UINT64_MAX, 0};
    (void)key;
    if (value.size >= sizeof(item)) memcpy(&item, value.data, sizeof(item));
    c->left++;
    if (item.producer < c->producers && item.number == c->last[item.producer] + 1)
        c->last[item.producer]++;
    else
        c->wrong++;
    return 0;
}

static int read_queue(struct bl_session *s, void *arg) {
    struct check *c = arg;
    uint8_t low[1] = {ITEM}, high[1] = {ITEM + 1};
    c->taken = c->left = c->wrong = 0;
    for (uint64_t p = 0; p < c->producers; p++) {
        struct bl_key key = key_of(LAST, p);
        BL_TRY(bl_read(s, bl_slice(&key), &c->last[p], sizeof(c->last[p])));
        c->taken += c->last[p];
    }
    struct bl_key key = key_of(TICKET, 0);
    BL_TRY(bl_read(s, bl_slice(&key), &c->ticket, sizeof(c->ticket)));
    return s->run->engine->scan(s->txn, VARVE_SLICE(low, 1), VARVE_SLICE(high, 1), 0, false, see_item, c);
}

static int verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct check c = {.producers = count + 1ull};
    uint64_t appended = first_items(run), taken = 0, disorder = 0;
    c.last = calloc(c.producers, sizeof(*c.last));
    if (c.last == NULL) return bl_refuse(run, VARVE_NOMEM, "out of memory");
    int status = bl_transaction(&sessions[0], true, read_queue, &c);
    if (status == VARVE_OK && c.last[count] != first_items(run)) c.wrong++;
    for (unsigned i = 0; i < count && status == VARVE_OK; i++) {
        appended += (uint64_t)sessions[i].tally[APPENDED];
        taken += (uint64_t)sessions[i].tally[TAKEN];
        disorder += (uint64_t)sessions[i].tally[OUT_OF_ORDER];
        if (c.last[i] != (uint64_t)sessions[i].tally[APPENDED]) c.wrong++;
    }
    free(c.last);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    bool kept = c.wrong == 0 && disorder == 0 && c.taken == taken && c.taken + c.left == appended && c.ticket == appended;
    if (kept || (run->level != 0 && run->level < VARVE_SNAPSHOT)) return VARVE_OK;
    snprintf(run->text, sizeof(run->text),
             "queue: %llu appended, %llu taken; the rows say %llu taken and %llu left, ticket %llu; %llu out of order",
             (unsigned long long)appended, (unsigned long long)taken, (unsigned long long)c.taken,
             (unsigned long long)c.left, (unsigned long long)c.ticket, (unsigned long long)(c.wrong + disorder));
    return VARVE_CORRUPT;
}

const struct bl_load bl_queue = {.name = "queue",
                                 .about = "items appended at the right edge and taken from the left, once each and in order",
                                 .kind_count = 2,
                                 .kinds = {"append", "take"},
                                 .prepare = prepare,
                                 .fill = fill,
                                 .draw = draw,
                                 .body = body,
                                 .done = done,
                                 .verify = verify};
