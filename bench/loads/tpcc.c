/* tpcc.c - TPC-C: what a transaction is drawn as, and which of the five it is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/loads.h"
#include "bench/loads/tpcc.h"

void tpcc_last_name(uint32_t number, char last[16]) {
    static const char *const syllables[] = {"BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"};
    memset(last, 0, 16);
    snprintf(last, 16, "%s%s%s", syllables[number / 100 % 10], syllables[number / 10 % 10], syllables[number % 10]);
}

uint32_t tpcc_between(struct vb_random *random, uint32_t low, uint32_t high) {
    return low + (uint32_t)vb_random_below(random, (uint64_t)high - low + 1);
}

uint32_t tpcc_nurand(struct vb_random *random, uint32_t a, uint32_t c, uint32_t low, uint32_t high) {
    uint32_t mixed = tpcc_between(random, 0, a) | tpcc_between(random, low, high);
    return (mixed + c) % (high - low + 1) + low;
}

static int prepare(struct bl_run *run) {
    if (run->settings.warehouses == 0) return bl_refuse(run, VARVE_INVALID, "warehouses must be above 0");
    struct tpcc *t = calloc(1, sizeof(*t));
    if (t == NULL) return bl_refuse(run, VARVE_NOMEM, "out of memory");
    struct vb_random random;
    vb_random_init(&random, run->settings.seed);
    t->c_last = tpcc_between(&random, 0, 255);
    t->c_customer = tpcc_between(&random, 0, 1023);
    t->c_item = tpcc_between(&random, 0, 8191);
    run->state = t;
    return VARVE_OK;
}

static void release(struct bl_run *run) {
    free(run->state);
    run->state = NULL;
}

/* --- drawing ------------------------------------------------------------------------------------------------------ */

static uint32_t another_warehouse(struct bl_session *s, uint32_t home) {
    uint32_t count = s->run->settings.warehouses;
    return count == 1 ? home : (home + tpcc_between(&s->random, 0, count - 2)) % count + 1;
}

static void draw_lines(struct bl_session *s, struct tpcc_draw *d) {
    const struct tpcc *t = s->run->state;
    d->lines = tpcc_between(&s->random, 5, TPCC_LINES_MOST);
    d->rolls_back = tpcc_between(&s->random, 1, 100) == 1;
    for (uint32_t i = 0; i < d->lines; i++) {
        bool remote = tpcc_between(&s->random, 1, 100) == 1;
        d->line[i].item = tpcc_nurand(&s->random, 8191, t->c_item, 1, TPCC_ITEMS);
        d->line[i].supplier = remote ? another_warehouse(s, d->warehouse) : d->warehouse;
        d->line[i].quantity = tpcc_between(&s->random, 1, 10);
    }
    if (d->rolls_back) d->line[d->lines - 1].item = TPCC_ITEMS + 1; /* no such item */
}

static void draw_customer(struct bl_session *s, struct tpcc_draw *d) {
    const struct tpcc *t = s->run->state;
    d->customer = tpcc_nurand(&s->random, 1023, t->c_customer, 1, TPCC_CUSTOMERS);
    d->by_name = tpcc_between(&s->random, 1, 100) <= 60;
    tpcc_last_name(tpcc_nurand(&s->random, 255, t->c_last, 0, 999), d->last);
    d->customer_warehouse = d->warehouse;
    d->customer_district = d->district;
}

static unsigned draw(struct bl_session *s) {
    static const uint8_t until[] = {45, 88, 92, 96, 100};
    struct tpcc_draw *d = tpcc_drawn(s);
    const struct tpcc *t = s->run->state;
    uint64_t sequence = d->sequence + 1, dice = vb_random_below(&s->random, 100);
    unsigned kind = 0;
    while (dice >= until[kind]) kind++;
    d->sequence = sequence;
    d->warehouse = s->thread % s->run->settings.warehouses + 1;
    d->district = (uint8_t)tpcc_between(&s->random, 1, TPCC_DISTRICTS);
    draw_customer(s, d);
    if (kind == K_NEW_ORDER) {
        d->customer = tpcc_nurand(&s->random, 1023, t->c_customer, 1, TPCC_CUSTOMERS);
        draw_lines(s, d);
    } else if (kind == K_PAYMENT && tpcc_between(&s->random, 1, 100) > 85) {
        d->customer_warehouse = another_warehouse(s, d->warehouse);
        d->customer_district = (uint8_t)tpcc_between(&s->random, 1, TPCC_DISTRICTS);
    }
    d->amount = tpcc_between(&s->random, 100, 500000);
    d->carrier = tpcc_between(&s->random, 1, 10);
    d->threshold = tpcc_between(&s->random, 10, 20);
    return kind;
}

static int body(struct bl_session *s, unsigned kind) {
    const struct tpcc_draw *d = tpcc_drawn(s);
    s->draw[0] = 0; /* deliveries of this attempt */
    switch ((enum tpcc_kind)kind) {
    case K_NEW_ORDER: return tpcc_new_order(s, d);
    case K_PAYMENT: return tpcc_payment(s, d);
    case K_ORDER_STATUS: return tpcc_order_status(s, d);
    case K_DELIVERY: return tpcc_delivery(s, d);
    case K_STOCK_LEVEL: return tpcc_stock_level(s, d);
    }
    return VARVE_INVALID;
}

static void done(struct bl_session *s, unsigned kind, bool committed) {
    if (committed && kind == K_DELIVERY) s->tally[DELIVERED] += (int64_t)s->draw[0];
}

const struct bl_load bl_tpcc = {.name = "tpcc",
                                .about = "TPC-C: all five transactions, the twelve consistency conditions checked",
                                .kind_count = 5,
                                .kinds = {"new-order", "payment", "order-status", "delivery", "stock-level"},
                                .read_only = {false, false, true, false, true},
                                .prepare = prepare,
                                .release = release,
                                .fill = tpcc_fill,
                                .draw = draw,
                                .body = body,
                                .done = done,
                                .verify = tpcc_verify};
