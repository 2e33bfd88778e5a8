/* tpcc_orders.c - TPC-C: New-Order (clause 2.4), Delivery (2.7), Stock-Level (2.8).
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/tpcc.h"

/* --- New-Order ---------------------------------------------------------------------------------------------------- */

static int take_stock(struct bl_session *s, const struct tpcc_draw *d, unsigned n, struct tpcc_line *line) {
    struct tpcc_stock stock;
    uint32_t quantity = d->line[n].quantity;
    struct bl_key key = tpcc_key_stock(d->line[n].supplier, d->line[n].item);
    BL_TRY(TPCC_READ_TO_WRITE(s, key, &stock));
    stock.quantity -= (int32_t)quantity;
    if (stock.quantity < 10) stock.quantity += 91;
    stock.ytd += quantity;
    stock.orders++;
    if (d->line[n].supplier != d->warehouse) stock.remote++;
    memcpy(line->info, stock.info[d->district - 1], sizeof(stock.info[0]));
    return TPCC_WRITE(s, key, &stock);
}

static int order_line(struct bl_session *s, const struct tpcc_draw *d, uint32_t order, unsigned n) {
    struct tpcc_item item;
    varve_slice value;
    struct bl_key key = tpcc_key_item(d->line[n].item);
    s->reads++;
    int status = s->run->engine->get(s->txn, bl_slice(&key), &value);
    if (status == VARVE_NOTFOUND) return BL_ROLLBACK; /* the unused item: 2.4.2.3 */
    if (status != VARVE_OK) return status;
    memcpy(&item, value.data, sizeof(item));
    struct tpcc_line line = {
        .item = d->line[n].item, .supplier = d->line[n].supplier, .quantity = d->line[n].quantity};
    line.amount = item.price * (int64_t)line.quantity;
    BL_TRY(take_stock(s, d, n, &line));
    struct bl_key line_key = tpcc_key_line(d->warehouse, d->district, order, n + 1);
    return TPCC_WRITE(s, line_key, &line);
}

static int enter_order(struct bl_session *s, const struct tpcc_draw *d, uint32_t id) {
    struct tpcc_order order = {.entry = (int64_t)d->sequence, .customer = d->customer, .lines = d->lines, .all_local = 1};
    for (uint32_t n = 0; n < d->lines; n++) order.all_local &= d->line[n].supplier == d->warehouse;
    struct bl_key key = tpcc_key_n(T_ORDER, d->warehouse, d->district, id);
    BL_TRY(TPCC_WRITE(s, key, &order));
    struct bl_key news = tpcc_key_n(T_NEW_ORDER, d->warehouse, d->district, id);
    BL_TRY(bl_write(s, bl_slice(&news), &id, sizeof(id)));
    struct bl_key index = tpcc_key_by_customer(d->warehouse, d->district, d->customer, id);
    return bl_write(s, bl_slice(&index), &id, sizeof(id));
}

int tpcc_new_order(struct bl_session *s, const struct tpcc_draw *d) {
    struct tpcc_warehouse warehouse;
    struct tpcc_district district;
    struct tpcc_customer customer;
    struct bl_key key = tpcc_key(T_WAREHOUSE, d->warehouse);
    BL_TRY(TPCC_READ(s, key, &warehouse));
    key = tpcc_key_d(T_DISTRICT, d->warehouse, d->district);
    BL_TRY(TPCC_READ_TO_WRITE(s, key, &district));
    uint32_t id = district.next_order++;
    BL_TRY(TPCC_WRITE(s, key, &district));
    key = tpcc_key_n(T_CUSTOMER, d->warehouse, d->district, d->customer);
    BL_TRY(TPCC_READ(s, key, &customer));
    BL_TRY(enter_order(s, d, id));
    for (unsigned n = 0; n < d->lines; n++) BL_TRY(order_line(s, d, id, n));
    return VARVE_OK;
}

/* --- Delivery ----------------------------------------------------------------------------------------------------- */

static int first_order(void *arg, varve_slice key, varve_slice value) {
    (void)key;
    memcpy(arg, value.data, sizeof(uint32_t));
    return 1;
}

static int deliver_lines(struct bl_session *s, const struct tpcc_draw *d, unsigned district, uint32_t id, uint32_t lines,
                         int64_t *sum) {
    for (unsigned n = 1; n <= lines; n++) {
        struct tpcc_line line;
        struct bl_key key = tpcc_key_line(d->warehouse, district, id, n);
        BL_TRY(TPCC_READ_TO_WRITE(s, key, &line));
        line.delivery = (int64_t)d->sequence;
        *sum += line.amount;
        BL_TRY(TPCC_WRITE(s, key, &line));
    }
    return VARVE_OK;
}

static int deliver_in(struct bl_session *s, const struct tpcc_draw *d, unsigned district) {
    uint32_t id = 0;
    struct tpcc_order order;
    struct tpcc_customer customer;
    int64_t sum = 0;
    struct bl_key low = tpcc_key_d(T_NEW_ORDER, d->warehouse, district), high = tpcc_after(&low);
    s->reads++;
    BL_TRY(s->run->engine->scan(s->txn, bl_slice(&low), bl_slice(&high), 1, false, first_order, &id));
    if (id == 0) return VARVE_OK; /* nothing to deliver: 2.7.4.2 */
    struct bl_key key = tpcc_key_n(T_NEW_ORDER, d->warehouse, district, id);
    s->writes++;
    BL_TRY(s->run->engine->remove(s->txn, bl_slice(&key)));
    key = tpcc_key_n(T_ORDER, d->warehouse, district, id);
    BL_TRY(TPCC_READ_TO_WRITE(s, key, &order));
    order.carrier = d->carrier;
    BL_TRY(TPCC_WRITE(s, key, &order));
    BL_TRY(deliver_lines(s, d, district, id, order.lines, &sum));
    key = tpcc_key_n(T_CUSTOMER, d->warehouse, district, order.customer);
    BL_TRY(TPCC_READ_TO_WRITE(s, key, &customer));
    customer.balance += sum;
    customer.deliveries++;
    s->draw[0]++;
    return TPCC_WRITE(s, key, &customer);
}

int tpcc_delivery(struct bl_session *s, const struct tpcc_draw *d) {
    for (unsigned district = 1; district <= TPCC_DISTRICTS; district++) BL_TRY(deliver_in(s, d, district));
    return VARVE_OK;
}

/* --- Stock-Level -------------------------------------------------------------------------------------------------- */

enum { ORDERS_BACK = 20 };
struct items {
    uint32_t count;
    uint32_t ids[ORDERS_BACK * TPCC_LINES_MOST];
};

static int see_line(void *arg, varve_slice key, varve_slice value) {
    struct items *items = arg;
    struct tpcc_line line;
    (void)key;
    memcpy(&line, value.data, sizeof(line));
    for (uint32_t i = 0; i < items->count; i++)
        if (items->ids[i] == line.item) return 0;
    if (items->count < ORDERS_BACK * TPCC_LINES_MOST) items->ids[items->count++] = line.item;
    return 0;
}

int tpcc_stock_level(struct bl_session *s, const struct tpcc_draw *d) {
    struct tpcc_district district;
    struct items items = {.count = 0};
    uint32_t low_stock = 0;
    struct bl_key key = tpcc_key_d(T_DISTRICT, d->warehouse, d->district);
    BL_TRY(TPCC_READ(s, key, &district));
    struct bl_key low = tpcc_key_n(T_LINE, d->warehouse, d->district, district.next_order - ORDERS_BACK);
    struct bl_key high = tpcc_key_n(T_LINE, d->warehouse, d->district, district.next_order);
    BL_TRY(s->run->engine->scan(s->txn, bl_slice(&low), bl_slice(&high), 0, false, see_line, &items));
    s->reads += items.count;
    for (uint32_t i = 0; i < items.count; i++) {
        struct tpcc_stock stock;
        struct bl_key stock_key = tpcc_key_stock(d->warehouse, items.ids[i]);
        BL_TRY(TPCC_READ(s, stock_key, &stock));
        low_stock += stock.quantity < (int32_t)d->threshold;
    }
    s->draw[1] = low_stock;
    return VARVE_OK;
}
