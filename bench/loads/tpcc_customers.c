/* tpcc_customers.c - TPC-C: Payment (clause 2.5) and Order-Status (2.6), and customers by name.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/tpcc.h"

enum { NAMESAKES_MOST = 256 };
struct namesakes {
    uint32_t count;
    uint32_t ids[NAMESAKES_MOST];
};

static int see_namesake(void *arg, varve_slice key, varve_slice value) {
    struct namesakes *found = arg;
    (void)key;
    if (found->count == NAMESAKES_MOST) return 1;
    memcpy(&found->ids[found->count++], value.data, sizeof(uint32_t));
    return 0;
}

/* The middle one of those with the name, by first name (2.5.2.2). */
static int find_customer(struct bl_session *s, const struct tpcc_draw *d, uint32_t *id) {
    *id = d->customer;
    if (!d->by_name) return VARVE_OK;
    struct namesakes found = {.count = 0};
    struct bl_key low = tpcc_key_name(d->customer_warehouse, d->customer_district, d->last), high = tpcc_after(&low);
    BL_TRY(s->run->engine->scan(s->txn, bl_slice(&low), bl_slice(&high), 0, false, see_namesake, &found));
    s->reads += found.count;
    if (found.count == 0) return VARVE_CORRUPT; /* every name has somebody: 4.3.3.1 */
    *id = found.ids[(found.count + 1) / 2 - 1];
    return VARVE_OK;
}

static void note_bad_credit(struct tpcc_customer *c, const struct tpcc_draw *d) {
    char line[64];
    int size = snprintf(line, sizeof(line), "%u %u %u %u %u %lld|", c->id, d->customer_district, d->customer_warehouse,
                        d->district, d->warehouse, (long long)d->amount);
    memmove(c->data + size, c->data, sizeof(c->data) - (size_t)size);
    memcpy(c->data, line, (size_t)size);
}

int tpcc_payment(struct bl_session *s, const struct tpcc_draw *d) {
    struct tpcc_warehouse warehouse;
    struct tpcc_district district;
    struct tpcc_customer customer;
    uint32_t id;
    struct bl_key key = tpcc_key(T_WAREHOUSE, d->warehouse);
    BL_TRY(TPCC_READ_TO_WRITE(s, key, &warehouse));
    warehouse.ytd += d->amount;
    BL_TRY(TPCC_WRITE(s, key, &warehouse));
    key = tpcc_key_d(T_DISTRICT, d->warehouse, d->district);
    BL_TRY(TPCC_READ_TO_WRITE(s, key, &district));
    district.ytd += d->amount;
    BL_TRY(TPCC_WRITE(s, key, &district));
    BL_TRY(find_customer(s, d, &id));
    key = tpcc_key_n(T_CUSTOMER, d->customer_warehouse, d->customer_district, id);
    BL_TRY(TPCC_READ_TO_WRITE(s, key, &customer));
    customer.balance -= d->amount;
    customer.ytd_payment += d->amount;
    customer.payments++;
    if (customer.credit[0] == 'B') note_bad_credit(&customer, d);
    BL_TRY(TPCC_WRITE(s, key, &customer));
    struct tpcc_history history = {.amount = d->amount,
                                   .date = (int64_t)d->sequence,
                                   .customer = id,
                                   .customer_warehouse = d->customer_warehouse,
                                   .customer_district = d->customer_district};
    memcpy(history.data, warehouse.name, sizeof(warehouse.name));
    memcpy(history.data + 13, district.name, sizeof(district.name));
    key = tpcc_key_d(T_HISTORY, d->warehouse, d->district);
    bl_key_add(&key, d->sequence, 8);
    return TPCC_WRITE(s, key, &history);
}

static int newest(void *arg, varve_slice key, varve_slice value) {
    (void)key;
    memcpy(arg, value.data, sizeof(uint32_t));
    return 1;
}

static int count_line(void *arg, varve_slice key, varve_slice value) {
    (void)key, (void)value;
    ++*(uint32_t *)arg;
    return 0;
}

int tpcc_order_status(struct bl_session *s, const struct tpcc_draw *d) {
    struct tpcc_customer customer;
    struct tpcc_order order;
    uint32_t id, last = 0, lines = 0;
    BL_TRY(find_customer(s, d, &id));
    struct bl_key key = tpcc_key_n(T_CUSTOMER, d->warehouse, d->district, id);
    BL_TRY(TPCC_READ(s, key, &customer));
    struct bl_key low = tpcc_key_n(T_BY_CUSTOMER, d->warehouse, d->district, id), high = tpcc_after(&low);
    s->reads++;
    BL_TRY(s->run->engine->scan(s->txn, bl_slice(&low), bl_slice(&high), 1, false, newest, &last));
    if (last == 0) return VARVE_CORRUPT; /* every customer has an order from the start */
    key = tpcc_key_n(T_ORDER, d->warehouse, d->district, last);
    BL_TRY(TPCC_READ(s, key, &order));
    low = tpcc_key_n(T_LINE, d->warehouse, d->district, last);
    high = tpcc_after(&low);
    BL_TRY(s->run->engine->scan(s->txn, bl_slice(&low), bl_slice(&high), 0, false, count_line, &lines));
    s->reads += lines;
    return lines == order.lines || s->run->level < VARVE_SERIALIZABLE ? VARVE_OK : VARVE_CORRUPT;
}
