/* tpcc_fill.c - TPC-C: the initial tables, clause 4.3.3.
 *
 * Parts share the work by warehouse and district; part 0 writes the items as well. Texts are of the sizes that the rows
 * have room for; one row in ten carries the word ORIGINAL in its data.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/tpcc.h"

enum { BATCH = 200 };

static void text(struct vb_random *random, char *out, size_t size) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ";
    for (size_t i = 0; i < size;) {
        uint64_t bits = vb_random_u64(random);
        for (unsigned n = 0; n < 10 && i < size; n++, bits >>= 6) out[i++] = letters[bits & 63 ? (bits & 63) - 1 : 62];
    }
}
static void original(struct vb_random *random, char *data, size_t size) {
    text(random, data, size);
    if (vb_random_below(random, 10) == 0) memcpy(data + vb_random_below(random, size - 8), "ORIGINAL", 8);
}

/* A stretch of rows of one kind, put by one transaction. */
struct batch {
    uint32_t warehouse, first, end;
    unsigned district;
    const uint16_t *customers; /* of the orders: a permutation */
};

static int put_items(struct bl_session *s, void *arg) {
    const struct batch *b = arg;
    for (uint32_t i = b->first; i < b->end; i++) {
        struct tpcc_item row = {.price = tpcc_between(&s->random, 100, 10000), .image = tpcc_between(&s->random, 1, 10000)};
        text(&s->random, row.name, sizeof(row.name));
        original(&s->random, row.data, sizeof(row.data));
        struct bl_key key = tpcc_key_item(i);
        BL_TRY(TPCC_WRITE(s, key, &row));
    }
    return VARVE_OK;
}

static int put_stock(struct bl_session *s, void *arg) {
    const struct batch *b = arg;
    for (uint32_t i = b->first; i < b->end; i++) {
        struct tpcc_stock row = {.quantity = (int32_t)tpcc_between(&s->random, 10, 100)};
        text(&s->random, row.info[0], sizeof(row.info));
        original(&s->random, row.data, sizeof(row.data));
        struct bl_key key = tpcc_key_stock(b->warehouse, i);
        BL_TRY(TPCC_WRITE(s, key, &row));
    }
    return VARVE_OK;
}

static int put_warehouse(struct bl_session *s, void *arg) {
    const struct batch *b = arg;
    struct tpcc_warehouse row = {.ytd = 30000000, .tax = (int32_t)tpcc_between(&s->random, 0, 2000)};
    text(&s->random, row.name, sizeof(row.name) + sizeof(row.street) + sizeof(row.city) + sizeof(row.state));
    struct bl_key key = tpcc_key(T_WAREHOUSE, b->warehouse);
    return TPCC_WRITE(s, key, &row);
}

static int put_district(struct bl_session *s, void *arg) {
    const struct batch *b = arg;
    struct tpcc_district row = {
        .ytd = 3000000, .tax = (int32_t)tpcc_between(&s->random, 0, 2000), .next_order = TPCC_ORDERS + 1};
    text(&s->random, row.name, sizeof(row.name) + sizeof(row.street) + sizeof(row.city) + sizeof(row.state));
    struct bl_key key = tpcc_key_d(T_DISTRICT, b->warehouse, b->district);
    return TPCC_WRITE(s, key, &row);
}

static int put_customer(struct bl_session *s, const struct batch *b, uint32_t id) {
    const struct tpcc *t = s->run->state;
    struct tpcc_customer row = {.balance = -1000, .ytd_payment = 1000, .credit_limit = 5000000, .payments = 1, .id = id};
    row.discount = (int32_t)tpcc_between(&s->random, 0, 5000);
    tpcc_last_name(id <= 1000 ? id - 1 : tpcc_nurand(&s->random, 255, t->c_last, 0, 999), row.last);
    text(&s->random, row.first, sizeof(row.first));
    memcpy(row.middle, "OE", 2);
    memcpy(row.credit, vb_random_below(&s->random, 10) == 0 ? "BC" : "GC", 2);
    text(&s->random, row.street[0], sizeof(row.street) + sizeof(row.city) + sizeof(row.state) + sizeof(row.zip));
    text(&s->random, row.data, sizeof(row.data));
    struct bl_key key = tpcc_key_n(T_CUSTOMER, b->warehouse, b->district, id);
    BL_TRY(TPCC_WRITE(s, key, &row));
    struct bl_key by_name = tpcc_key_name(b->warehouse, b->district, row.last);
    bl_key_text(&by_name, row.first, 8); /* the first name orders; its first half and the number make it unique */
    bl_key_add(&by_name, id, 4);
    BL_TRY(bl_write(s, bl_slice(&by_name), &id, sizeof(id)));
    struct tpcc_history history = {
        .amount = 1000, .customer = id, .customer_warehouse = b->warehouse, .customer_district = (uint8_t)b->district};
    struct bl_key entry = tpcc_key_d(T_HISTORY, b->warehouse, b->district);
    bl_key_add(&entry, id, 8);
    return TPCC_WRITE(s, entry, &history);
}

static int put_customers(struct bl_session *s, void *arg) {
    const struct batch *b = arg;
    for (uint32_t id = b->first; id < b->end; id++) BL_TRY(put_customer(s, b, id));
    return VARVE_OK;
}

static int put_order(struct bl_session *s, const struct batch *b, uint32_t id) {
    bool fresh = id >= TPCC_NEW_FROM;
    struct tpcc_order row = {.entry = id,
                             .customer = b->customers[id - 1],
                             .carrier = fresh ? 0 : tpcc_between(&s->random, 1, 10),
                             .lines = tpcc_between(&s->random, 5, TPCC_LINES_MOST),
                             .all_local = 1};
    struct bl_key key = tpcc_key_n(T_ORDER, b->warehouse, b->district, id);
    BL_TRY(TPCC_WRITE(s, key, &row));
    struct bl_key index = tpcc_key_by_customer(b->warehouse, b->district, row.customer, id);
    BL_TRY(bl_write(s, bl_slice(&index), &id, sizeof(id)));
    for (unsigned n = 1; n <= row.lines; n++) {
        struct tpcc_line line = {.amount = fresh ? tpcc_between(&s->random, 1, 999999) : 0,
                                 .delivery = fresh ? 0 : id,
                                 .item = tpcc_between(&s->random, 1, TPCC_ITEMS),
                                 .supplier = b->warehouse,
                                 .quantity = 5};
        text(&s->random, line.info, 24);
        struct bl_key line_key = tpcc_key_line(b->warehouse, b->district, id, n);
        BL_TRY(TPCC_WRITE(s, line_key, &line));
    }
    struct bl_key news = tpcc_key_n(T_NEW_ORDER, b->warehouse, b->district, id);
    return fresh ? bl_write(s, bl_slice(&news), &id, sizeof(id)) : VARVE_OK;
}

static int put_orders(struct bl_session *s, void *arg) {
    const struct batch *b = arg;
    for (uint32_t id = b->first; id < b->end; id++) BL_TRY(put_order(s, b, id));
    return VARVE_OK;
}

static int in_batches(struct bl_session *s, struct batch b, uint32_t last, int (*put)(struct bl_session *s, void *arg)) {
    for (b.first = 1; b.first <= last; b.first = b.end) {
        b.end = b.first + BATCH <= last ? b.first + BATCH : last + 1;
        BL_TRY(bl_transaction(s, false, put, &b));
    }
    return VARVE_OK;
}

static int fill_district(struct bl_session *s, uint32_t warehouse, unsigned district) {
    uint16_t customers[TPCC_CUSTOMERS];
    struct batch b = {.warehouse = warehouse, .district = district, .customers = customers};
    for (unsigned i = 0; i < TPCC_CUSTOMERS; i++) customers[i] = (uint16_t)(i + 1);
    for (unsigned i = TPCC_CUSTOMERS - 1; i > 0; i--) {
        unsigned j = (unsigned)vb_random_below(&s->random, i + 1);
        uint16_t kept = customers[i];
        customers[i] = customers[j];
        customers[j] = kept;
    }
    BL_TRY(bl_transaction(s, false, put_district, &b));
    BL_TRY(in_batches(s, b, TPCC_CUSTOMERS, put_customers));
    return in_batches(s, b, TPCC_ORDERS, put_orders);
}

int tpcc_fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts) {
    struct batch b = {.warehouse = 0};
    if (part == 0) BL_TRY(in_batches(s, b, TPCC_ITEMS, put_items));
    unsigned piece = 0;
    for (b.warehouse = 1; b.warehouse <= run->settings.warehouses; b.warehouse++) {
        if (piece++ % parts == part) {
            BL_TRY(bl_transaction(s, false, put_warehouse, &b));
            BL_TRY(in_batches(s, b, TPCC_ITEMS, put_stock));
        }
        for (unsigned district = 1; district <= TPCC_DISTRICTS; district++)
            if (piece++ % parts == part) BL_TRY(fill_district(s, b.warehouse, district));
    }
    memset(s->buffer, 0, sizeof(s->buffer));
    tpcc_drawn(s)->sequence = (uint64_t)(s->thread + 1) << 32;
    return VARVE_OK;
}
