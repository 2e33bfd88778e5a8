/* tatp.c - TATP: seven short transactions of a mobile network's subscribers, four in five of them reads.
 *
 * IBM, Telecommunication Application Transaction Processing (TATP) Benchmark Description, version 1.0, 2009: tables and fill in
 * section 2, transactions and mix in section 3. A transaction that finds no row, or a forwarding that is there
 * already, fails by its nature (about a quarter of all): it rolls back and is counted apart. Departures: --records is the
 * number of subscribers; texts are fixed bytes; a subscriber and a facility carry a count of their changes.
 *
 * Invariant: subscribers, their index, access rows and facilities are as many as filled, and facilities and
 * subscribers carry as many changes as were committed; forwardings are as many as filled, plus inserted, minus deleted, and
 * each belongs to a facility that is there.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/common.h"
#include "bench/loads/loads.h"

enum { SUBSCRIBER = 'S', NUMBER = 'B', ACCESS = 'A', FACILITY = 'F', FORWARDING = 'G' };
enum kind { GET_SUBSCRIBER, GET_DESTINATION, GET_ACCESS, UPDATE_SUBSCRIBER, UPDATE_LOCATION, INSERT_FORWARDING,
            DELETE_FORWARDING };
/* tally; the first three are what the fill made */
enum { ACCESS_ROWS, FACILITY_ROWS, FORWARDING_ROWS, CHANGED_SUBSCRIBERS = 4, CHANGED_FACILITIES };
enum { ID, TYPE, START, END, VALUE }; /* draw */

struct subscriber {
    int64_t changes;
    uint32_t id, msc_location, vlr_location;
    char number[15];
    uint8_t bits[10], hex[10], byte2[10], spare[3];
};
struct access_info {
    uint8_t data1, data2;
    char data3[3], data4[5];
};
struct facility {
    int64_t changes;
    uint8_t active, error, data_a, spare[5];
    char data_b[8];
};
struct forwarding {
    uint8_t end;
    char number[15];
};

static struct bl_key key_of(uint8_t table, uint64_t id) {
    struct bl_key key = bl_key_of(table);
    bl_key_add(&key, id, 4);
    return key;
}
static struct bl_key key_typed(uint8_t table, uint64_t id, uint64_t type) {
    struct bl_key key = key_of(table, id);
    bl_key_add(&key, type, 1);
    return key;
}
static struct bl_key key_forwarding(uint64_t id, uint64_t type, uint64_t start) {
    struct bl_key key = key_typed(FORWARDING, id, type);
    bl_key_add(&key, start, 1);
    return key;
}
/* A subscriber's number: 15 digits. */
static struct bl_key key_number(uint64_t id) {
    struct bl_key key = bl_key_of(NUMBER);
    for (uint64_t i = 0, place = 100000000000000; i < 15; i++, place /= 10)
        key.bytes[key.size++] = (uint8_t)('0' + id / place % 10);
    return key;
}

static int prepare(struct bl_run *run) {
    if (run->settings.records == 0 || run->settings.records > 100000000)
        return bl_refuse(run, VARVE_INVALID, "1 to 100,000,000 subscribers (--records)");
    return VARVE_OK;
}

/* --- filling ------------------------------------------------------------------------------------------------------ */

static int put_forwardings(struct bl_session *s, struct bl_batch *batch, uint64_t id, unsigned type, uint64_t bits) {
    /* 0 to 3 of the three start times, each count as likely as the others */
    static const uint8_t starts[4][3][3] = {{{0}}, {{0}, {8}, {16}}, {{0, 8}, {8, 16}, {0, 16}},
                                            {{0, 8, 16}, {0, 8, 16}, {0, 8, 16}}};
    unsigned count = (unsigned)(bits & 3), choice = (unsigned)(bits >> 2) % 3;
    for (unsigned i = 0; i < count; i++) {
        uint8_t start = starts[count][choice][i];
        struct forwarding row = {(uint8_t)(start + 1 + (bits >> 8 & 7)), "00000000000000"};
        struct bl_key key = key_forwarding(id, type, start);
        BL_TRY(bl_write(s, bl_slice(&key), &row, sizeof(row)));
        batch->count[FORWARDING_ROWS]++;
    }
    return VARVE_OK;
}

/* `count` of the four types, starting at a random one. */
static int put_typed(struct bl_session *s, struct bl_batch *batch, uint64_t id) {
    struct vb_random *random = &s->random;
    uint64_t first = vb_random_below(random, 4), count = 1 + vb_random_below(random, 4);
    for (uint64_t i = 0; i < count; i++) {
        struct access_info row = {(uint8_t)vb_random_below(random, 256), (uint8_t)vb_random_below(random, 256), "abc", "abcde"};
        struct bl_key key = key_typed(ACCESS, id, 1 + (first + i) % 4);
        BL_TRY(bl_write(s, bl_slice(&key), &row, sizeof(row)));
        batch->count[ACCESS_ROWS]++;
    }
    first = vb_random_below(random, 4), count = 1 + vb_random_below(random, 4);
    for (uint64_t i = 0; i < count; i++) {
        unsigned type = (unsigned)(1 + (first + i) % 4);
        struct facility row = {.active = vb_random_below(random, 100) < 85, .data_a = (uint8_t)vb_random_below(random, 256)};
        struct bl_key key = key_typed(FACILITY, id, type);
        BL_TRY(bl_write(s, bl_slice(&key), &row, sizeof(row)));
        batch->count[FACILITY_ROWS]++;
        BL_TRY(put_forwardings(s, batch, id, type, vb_random_u64(random)));
    }
    return VARVE_OK;
}

static int fill_batch(struct bl_session *s, void *arg) {
    struct bl_batch *batch = arg;
    memset(batch->count, 0, sizeof(batch->count));
    for (uint64_t id = batch->first + 1; id <= batch->end; id++) {
        struct bl_key key = key_of(SUBSCRIBER, id), number = key_number(id);
        struct subscriber row = {.id = (uint32_t)id, .msc_location = (uint32_t)vb_random_u64(&s->random),
                                 .vlr_location = (uint32_t)vb_random_u64(&s->random)};
        memcpy(row.number, number.bytes + 1, sizeof(row.number));
        BL_TRY(bl_write(s, bl_slice(&key), &row, sizeof(row)));
        BL_TRY(bl_write(s, bl_slice(&number), &row.id, sizeof(row.id)));
        BL_TRY(put_typed(s, batch, id));
    }
    return VARVE_OK;
}
static int fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    (void)run;
    return bl_fill_rows(s, part, parts, fill_batch);
}

/* --- transactions ------------------------------------------------------------------------------------------------- */

static unsigned draw(struct bl_session *s) {
    static const uint8_t until[] = {35, 45, 80, 82, 96, 98, 100};
    uint64_t dice = vb_random_below(&s->random, 100), records = s->run->settings.records;
    uint64_t a = records <= 1000000 ? 65535 : records <= 10000000 ? 1048575 : 2097151;
    unsigned kind = 0;
    while (dice >= until[kind]) kind++;
    s->draw[ID] = (vb_random_below(&s->random, a + 1) | (1 + vb_random_below(&s->random, records))) % records + 1;
    s->draw[TYPE] = 1 + vb_random_below(&s->random, 4);
    s->draw[START] = 8 * vb_random_below(&s->random, 3);
    s->draw[END] = 1 + vb_random_below(&s->random, 24);
    s->draw[VALUE] = vb_random_u64(&s->random);
    return kind;
}

/* A row that may be missing: that is a failure of the benchmark's own. */
static int read_if_there(struct bl_session *s, const struct bl_key *key, void *row, size_t size, bool to_write) {
    varve_slice value;
    const struct peer *engine = s->run->engine;
    bool lock = to_write && s->run->settings.use_for_update && engine->get_for_update != NULL;
    s->reads++;
    int status = lock ? engine->get_for_update(s->txn, bl_slice(key), &value) : engine->get(s->txn, bl_slice(key), &value);
    if (status == VARVE_NOTFOUND) return BL_ROLLBACK;
    if (status != VARVE_OK) return status;
    if (value.size != size && !s->run->generator) return VARVE_CORRUPT;
    memcpy(row, value.data, size);
    return VARVE_OK;
}

/* The subscriber with the drawn number, by the index. */
static int find_subscriber(struct bl_session *s, uint64_t *id) {
    struct bl_key number = key_number(s->draw[ID]);
    uint32_t stored;
    BL_TRY(bl_read(s, bl_slice(&number), &stored, sizeof(stored)));
    *id = stored;
    if (s->run->generator) *id = s->draw[ID];
    return *id == s->draw[ID] ? VARVE_OK : VARVE_CORRUPT;
}

struct search {
    uint64_t start, end;
    unsigned rows, found;
};
static int see_forwarding(void *arg, varve_slice key, varve_slice value) {
    struct search *search = arg;
    struct forwarding row;
    search->rows++;
    if (value.size != sizeof(row)) return 1;
    memcpy(&row, value.data, sizeof(row));
    search->found += ((const uint8_t *)key.data)[6] <= search->start && search->end < row.end;
    return 0;
}

static int get_destination(struct bl_session *s) {
    struct facility row;
    struct search search = {s->draw[START], s->draw[END], 0, 0};
    struct bl_key key = key_typed(FACILITY, s->draw[ID], s->draw[TYPE]);
    BL_TRY(read_if_there(s, &key, &row, sizeof(row), false));
    if (!row.active) return BL_ROLLBACK;
    struct bl_key low = key_typed(FORWARDING, s->draw[ID], s->draw[TYPE]);
    struct bl_key high = key_forwarding(s->draw[ID], s->draw[TYPE], 24);
    BL_TRY(s->run->engine->scan(s->txn, bl_slice(&low), bl_slice(&high), 0, false, see_forwarding, &search));
    s->reads += search.rows;
    return search.found != 0 ? VARVE_OK : BL_ROLLBACK;
}

static int change_subscriber(struct bl_session *s, uint64_t id, bool location) {
    struct subscriber row;
    struct bl_key key = key_of(SUBSCRIBER, id);
    BL_TRY(bl_read_to_write(s, bl_slice(&key), &row, sizeof(row)));
    row.changes++;
    if (location)
        row.vlr_location = (uint32_t)s->draw[VALUE];
    else
        row.bits[0] = s->draw[VALUE] & 1;
    return bl_write(s, bl_slice(&key), &row, sizeof(row));
}

static int update_subscriber(struct bl_session *s) {
    struct facility row;
    struct bl_key key = key_typed(FACILITY, s->draw[ID], s->draw[TYPE]);
    BL_TRY(change_subscriber(s, s->draw[ID], false));
    BL_TRY(read_if_there(s, &key, &row, sizeof(row), true));
    row.changes++;
    row.data_a = (uint8_t)(s->draw[VALUE] >> 8);
    return bl_write(s, bl_slice(&key), &row, sizeof(row));
}

static int count_row(void *arg, varve_slice key, varve_slice value) {
    (void)key, (void)value;
    ++*(uint64_t *)arg;
    return 0;
}

static int insert_forwarding(struct bl_session *s) {
    uint64_t id, facilities = 0;
    struct facility owner;
    struct forwarding row = {(uint8_t)s->draw[END], "00000000000000"}, old;
    BL_TRY(find_subscriber(s, &id));
    struct bl_key low = key_of(FACILITY, id), high = key_of(FACILITY, id + 1);
    BL_TRY(s->run->engine->scan(s->txn, bl_slice(&low), bl_slice(&high), 0, false, count_row, &facilities));
    s->reads += facilities;
    struct bl_key parent = key_typed(FACILITY, id, s->draw[TYPE]), key = key_forwarding(id, s->draw[TYPE], s->draw[START]);
    BL_TRY(read_if_there(s, &parent, &owner, sizeof(owner), false)); /* the foreign key */
    int status = read_if_there(s, &key, &old, sizeof(old), false);   /* the primary key */
    if (status != BL_ROLLBACK) return status == VARVE_OK ? BL_ROLLBACK : status;
    status = bl_insert(s, bl_slice(&key), VARVE_SLICE(&row, sizeof(row)));
    return status == VARVE_EXISTS ? BL_ROLLBACK : status;
}

static int delete_forwarding(struct bl_session *s) {
    uint64_t id;
    BL_TRY(find_subscriber(s, &id));
    struct bl_key key = key_forwarding(id, s->draw[TYPE], s->draw[START]);
    s->writes++;
    int status = s->run->engine->remove(s->txn, bl_slice(&key));
    return status == VARVE_NOTFOUND ? BL_ROLLBACK : status;
}

static int body(struct bl_session *s, unsigned kind) {
    struct bl_key key;
    struct subscriber subscriber;
    struct access_info access;
    uint64_t id;
    switch ((enum kind)kind) {
    case GET_SUBSCRIBER:
        key = key_of(SUBSCRIBER, s->draw[ID]);
        return bl_read(s, bl_slice(&key), &subscriber, sizeof(subscriber));
    case GET_DESTINATION: return get_destination(s);
    case GET_ACCESS:
        key = key_typed(ACCESS, s->draw[ID], s->draw[TYPE]);
        return read_if_there(s, &key, &access, sizeof(access), false);
    case UPDATE_SUBSCRIBER: return update_subscriber(s);
    case UPDATE_LOCATION:
        BL_TRY(find_subscriber(s, &id));
        return change_subscriber(s, id, true);
    case INSERT_FORWARDING: return insert_forwarding(s);
    case DELETE_FORWARDING: return delete_forwarding(s);
    }
    return VARVE_INVALID;
}

static void done(struct bl_session *s, unsigned kind, bool committed) {
    if (!committed) return;
    s->tally[CHANGED_SUBSCRIBERS] += kind == UPDATE_SUBSCRIBER || kind == UPDATE_LOCATION;
    s->tally[CHANGED_FACILITIES] += kind == UPDATE_SUBSCRIBER;
    s->tally[FORWARDING_ROWS] += (kind == INSERT_FORWARDING) - (kind == DELETE_FORWARDING);
}

/* --- the invariant ------------------------------------------------------------------------------------------------ */

struct check {
    struct bl_sum subscribers, numbers, access, facilities, forwardings;
    struct bl_session *s;
    uint64_t orphans;
    bool has[5]; /* facilities of the subscriber at hand */
    uint8_t id[4];
};
static int note_facility(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    const uint8_t *bytes = key.data;
    (void)value;
    if (key.size == 6 && bytes[5] < 5) c->has[bytes[5]] = true;
    return 0;
}
/* The first forwarding of each subscriber; a range of its own is then read, as not all engines nest scans. */
static int next_owner(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    (void)value;
    memcpy(c->id, (const uint8_t *)key.data + 1, sizeof(c->id));
    return 1;
}
static int judge_forwarding(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    uint8_t type = ((const uint8_t *)key.data)[5];
    (void)value;
    c->orphans += type >= 5 || !c->has[type];
    return 0;
}

static int check_owners(struct check *c) {
    const struct peer *engine = c->s->run->engine;
    struct bl_key low = bl_key_of(FORWARDING), end = bl_key_of(FORWARDING + 1);
    for (;;) {
        memset(c->id, 0, sizeof(c->id));
        memset(c->has, 0, sizeof(c->has));
        BL_TRY(engine->scan(c->s->txn, bl_slice(&low), bl_slice(&end), 1, false, next_owner, c));
        uint64_t id = (uint64_t)c->id[0] << 24 | (uint64_t)c->id[1] << 16 | (uint64_t)c->id[2] << 8 | c->id[3];
        if (id == 0) return VARVE_OK;
        struct bl_key from = key_of(FACILITY, id), until = key_of(FACILITY, id + 1), next = key_of(FORWARDING, id + 1);
        low = key_of(FORWARDING, id);
        BL_TRY(engine->scan(c->s->txn, bl_slice(&from), bl_slice(&until), 0, false, note_facility, c));
        BL_TRY(engine->scan(c->s->txn, bl_slice(&low), bl_slice(&next), 0, false, judge_forwarding, c));
        low = next;
    }
}

static int read_tables(struct bl_session *s, void *arg) {
    struct check *c = arg;
    c->s = s;
    c->orphans = 0;
    BL_TRY(bl_sum_table(s, &c->subscribers));
    BL_TRY(bl_sum_table(s, &c->numbers));
    BL_TRY(bl_sum_table(s, &c->access));
    BL_TRY(bl_sum_table(s, &c->facilities));
    BL_TRY(bl_sum_table(s, &c->forwardings));
    return check_owners(c);
}

static int judge(struct bl_run *run, const char *what, int64_t found, int64_t wanted) {
    if (found == wanted) return VARVE_OK;
    snprintf(run->text, sizeof(run->text), "tatp: %s: %lld, not %lld", what, (long long)found, (long long)wanted);
    return VARVE_CORRUPT;
}

static int verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct check c = {.subscribers = {.table = SUBSCRIBER}, .numbers = {.table = NUMBER}, .access = {.table = ACCESS},
                      .facilities = {.table = FACILITY}, .forwardings = {.table = FORWARDING}};
    int64_t sum[16] = {0}, records = (int64_t)run->settings.records;
    for (unsigned i = 0; i < count; i++)
        for (unsigned n = 0; n < 16; n++) sum[n] += sessions[i].tally[n];
    int status = bl_transaction(&sessions[0], true, read_tables, &c);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    BL_TRY(judge(run, "subscribers", (int64_t)c.subscribers.rows, records));
    BL_TRY(judge(run, "numbers of subscribers", (int64_t)c.numbers.rows, records));
    BL_TRY(judge(run, "rows of access", (int64_t)c.access.rows, sum[ACCESS_ROWS]));
    BL_TRY(judge(run, "facilities", (int64_t)c.facilities.rows, sum[FACILITY_ROWS]));
    BL_TRY(judge(run, "forwardings without a facility", (int64_t)c.orphans, 0));
    if (run->level != 0 && run->level < VARVE_REPEATABLE_READ) return VARVE_OK; /* updates may be lost there, and are */
    BL_TRY(judge(run, "forwardings", (int64_t)c.forwardings.rows, sum[FORWARDING_ROWS]));
    BL_TRY(judge(run, "changes of subscribers", c.subscribers.sum, sum[CHANGED_SUBSCRIBERS]));
    return judge(run, "changes of facilities", c.facilities.sum, sum[CHANGED_FACILITIES]);
}

const struct bl_load bl_tatp = {
    .name = "tatp",
    .about = "TATP: seven short transactions over subscribers, four in five of them reads",
    .kind_count = 7,
    .kinds = {"get-subscriber", "get-destination", "get-access", "update-subscriber", "update-location",
              "insert-forwarding", "delete-forwarding"},
    .read_only = {true, true, true},
    .prepare = prepare, .fill = fill, .draw = draw, .body = body, .done = done, .verify = verify};
