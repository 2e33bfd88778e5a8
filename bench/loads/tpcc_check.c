/* tpcc_check.c - TPC-C: the twelve consistency conditions of clause 3.3.2, read from the database.
 *
 * Everything is read in one transaction: histories first, then each district's orders, new orders and lines, then districts,
 * warehouses and customers against the sums. Condition 11 is put with the orders delivered since the fill: they leave the new
 * orders and stay among the orders. At levels below serializable the conditions are not demanded.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench/loads/tpcc.h"

struct order {
    uint32_t customer, carrier, lines, lines_seen, lines_delivered;
    bool is_new, there;
};

struct check {
    struct bl_run *run;
    struct bl_session *s;
    uint32_t warehouses, warehouse;
    unsigned district;
    int64_t *paid, *delivered;                  /* [customers of all] */
    int64_t history[TPCC_DISTRICTS + 1];        /* of the warehouse at hand */
    int64_t history_sum, district_sum;
    struct order *orders;                       /* [next_order] of the district at hand */
    uint32_t next_order;
    uint64_t order_count, new_count, line_count, lines_wanted;
    uint32_t order_max, new_min, new_max;
    uint64_t all_orders, all_new;
    int failed;                                 /* the number of the condition, 0: all hold */
};

static size_t customer_index(uint32_t warehouse, unsigned district, uint32_t customer) {
    return ((size_t)(warehouse - 1) * TPCC_DISTRICTS + district - 1) * TPCC_CUSTOMERS + customer - 1;
}

static bool is_customer(const struct check *c, uint32_t warehouse, unsigned district, uint32_t customer) {
    return warehouse - 1 < c->warehouses && district - 1 < TPCC_DISTRICTS && customer - 1 < TPCC_CUSTOMERS;
}

/* Notes the first condition that fails; returns non-zero, which ends a scan. */
static int fail(struct check *c, int condition, const char *what, long long found, long long wanted) {
    if (c->failed != 0) return 1;
    c->failed = condition;
    snprintf(c->run->text, sizeof(c->run->text),
             "tpcc: condition 3.3.2.%d fails in warehouse %u, district %u: %s: %lld, not %lld", condition, c->warehouse,
             c->district, what, found, wanted);
    return 1;
}
static bool differ(struct check *c, int condition, const char *what, long long found, long long wanted) {
    return found != wanted && fail(c, condition, what, found, wanted) != 0;
}

static uint32_t number_at(varve_slice key, size_t offset) {
    const uint8_t *bytes = (const uint8_t *)key.data + offset;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static int see_history(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    struct tpcc_history row;
    unsigned district = ((const uint8_t *)key.data)[5];
    if (value.size != sizeof(row)) return fail(c, 8, "bytes of a history", (long long)value.size, sizeof(row));
    memcpy(&row, value.data, sizeof(row));
    if (district > TPCC_DISTRICTS) return fail(c, 8, "a history of a district", district, TPCC_DISTRICTS);
    if (!is_customer(c, row.customer_warehouse, row.customer_district, row.customer))
        return fail(c, 10, "a history of a customer", row.customer, TPCC_CUSTOMERS);
    c->history[district] += row.amount;
    c->history_sum += row.amount;
    c->paid[customer_index(row.customer_warehouse, row.customer_district, row.customer)] += row.amount;
    return 0;
}

/* The order a row speaks of; NULL, with the condition failed, when it cannot be one. */
static struct order *order_at(struct check *c, varve_slice key, int condition) {
    uint32_t id = number_at(key, 6);
    if (id < c->next_order) return &c->orders[id];
    (void)fail(c, condition, "an order beyond next_order", id, c->next_order);
    return NULL;
}

static int see_order(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    struct tpcc_order row;
    struct order *o = order_at(c, key, 2);
    if (o == NULL) return 1;
    if (value.size != sizeof(row)) return fail(c, 2, "bytes of an order", (long long)value.size, sizeof(row));
    memcpy(&row, value.data, sizeof(row));
    if (!is_customer(c, c->warehouse, c->district, row.customer))
        return fail(c, 12, "an order of a customer", row.customer, TPCC_CUSTOMERS);
    *o = (struct order){.customer = row.customer, .carrier = row.carrier, .lines = row.lines, .there = true};
    c->order_max = number_at(key, 6);
    c->order_count++;
    c->lines_wanted += row.lines;
    return 0;
}

static int see_new_order(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    struct order *o = order_at(c, key, 2);
    (void)value;
    if (o == NULL) return 1;
    o->is_new = true;
    c->new_max = number_at(key, 6);
    if (c->new_count++ == 0) c->new_min = c->new_max;
    return 0;
}

static int see_line(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    struct tpcc_line row;
    struct order *o = order_at(c, key, 6);
    if (o == NULL) return 1;
    if (value.size != sizeof(row)) return fail(c, 6, "bytes of a line", (long long)value.size, sizeof(row));
    memcpy(&row, value.data, sizeof(row));
    c->line_count++;
    o->lines_seen++;
    if (row.delivery == 0) return 0;
    o->lines_delivered++;
    c->delivered[customer_index(c->warehouse, c->district, o->there ? o->customer : 1)] += row.amount;
    return 0;
}

static int scan_table(struct check *c, enum tpcc_table table, int (*see)(void *arg, varve_slice key, varve_slice value)) {
    struct bl_key low = tpcc_key_d(table, c->warehouse, c->district), high = tpcc_after(&low);
    return c->s->run->engine->scan(c->s->txn, bl_slice(&low), bl_slice(&high), 0, false, see, c);
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

static void judge_orders(struct check *c) {
    for (uint32_t id = 1; id < c->next_order && c->failed == 0; id++) {
        const struct order *o = &c->orders[id];
        if (!o->there && o->is_new) (void)fail(c, 5, "a new order without an order", id, 0);
        if (!o->there) continue;
        (void)differ(c, 5, "not delivered, and among the new orders", o->carrier == 0, o->is_new);
        (void)differ(c, 6, "lines of an order", o->lines_seen, o->lines);
        (void)differ(c, 7, "delivered lines of an order", o->lines_delivered, o->carrier == 0 ? 0 : o->lines);
    }
}

static int check_district(struct check *c) {
    struct tpcc_district row;
    struct bl_key key = tpcc_key_d(T_DISTRICT, c->warehouse, c->district);
    BL_TRY(TPCC_READ(c->s, key, &row));
    c->next_order = row.next_order;
    c->order_count = c->new_count = c->line_count = c->lines_wanted = 0;
    c->order_max = c->new_min = c->new_max = 0;
    c->orders = calloc(c->next_order, sizeof(*c->orders));
    if (c->orders == NULL) return VARVE_NOMEM;
    int status = scan_table(c, T_ORDER, see_order);
    if (status == VARVE_OK) status = scan_table(c, T_NEW_ORDER, see_new_order);
    if (status == VARVE_OK) status = scan_table(c, T_LINE, see_line);
    if (status == VARVE_OK) {
        (void)differ(c, 2, "highest order", c->order_max, (long long)c->next_order - 1);
        if (c->new_count != 0) (void)differ(c, 2, "highest new order", c->new_max, c->order_max);
        if (c->new_count != 0)
            (void)differ(c, 3, "new orders", (long long)c->new_count, (long long)c->new_max - c->new_min + 1);
        (void)differ(c, 4, "lines", (long long)c->line_count, (long long)c->lines_wanted);
        judge_orders(c);
        (void)differ(c, 9, "year to date of the district", row.ytd, c->history[c->district]);
    }
    c->district_sum += row.ytd;
    c->all_orders += c->order_count;
    c->all_new += c->new_count;
    free(c->orders);
    c->orders = NULL;
    return status;
}

static int check_warehouse(struct check *c) {
    struct tpcc_warehouse row;
    memset(c->history, 0, sizeof(c->history));
    c->history_sum = c->district_sum = 0;
    struct bl_key key = tpcc_key(T_WAREHOUSE, c->warehouse), low = tpcc_key(T_HISTORY, c->warehouse);
    struct bl_key high = tpcc_after(&low);
    BL_TRY(c->s->run->engine->scan(c->s->txn, bl_slice(&low), bl_slice(&high), 0, false, see_history, c));
    for (c->district = 1; c->district <= TPCC_DISTRICTS && c->failed == 0; c->district++) BL_TRY(check_district(c));
    BL_TRY(TPCC_READ(c->s, key, &row));
    c->district = 0;
    (void)differ(c, 1, "year to date of the warehouse", row.ytd, c->district_sum);
    (void)differ(c, 8, "year to date of the warehouse, against histories", row.ytd, c->history_sum);
    return VARVE_OK;
}

static int see_customer(void *arg, varve_slice key, varve_slice value) {
    struct check *c = arg;
    struct tpcc_customer row;
    c->warehouse = number_at(key, 1);
    c->district = ((const uint8_t *)key.data)[5];
    if (value.size != sizeof(row)) return fail(c, 10, "bytes of a customer", (long long)value.size, sizeof(row));
    if (!is_customer(c, c->warehouse, c->district, number_at(key, 6)))
        return fail(c, 10, "a customer", number_at(key, 6), TPCC_CUSTOMERS);
    memcpy(&row, value.data, sizeof(row));
    size_t index = customer_index(c->warehouse, c->district, number_at(key, 6));
    if (differ(c, 10, "a customer's balance", row.balance, c->delivered[index] - c->paid[index])) return 1;
    return differ(c, 12, "a customer's balance and payments", row.balance + row.ytd_payment, c->delivered[index]);
}

static int check_all(struct bl_session *s, void *arg) {
    struct check *c = arg;
    size_t customers = (size_t)c->warehouses * TPCC_DISTRICTS * TPCC_CUSTOMERS;
    uint8_t low[1] = {T_CUSTOMER}, high[1] = {T_CUSTOMER + 1};
    c->s = s;
    c->all_orders = c->all_new = 0;
    memset(c->paid, 0, customers * sizeof(*c->paid));
    memset(c->delivered, 0, customers * sizeof(*c->delivered));
    for (c->warehouse = 1; c->warehouse <= c->warehouses && c->failed == 0; c->warehouse++) BL_TRY(check_warehouse(c));
    if (c->failed != 0) return VARVE_OK;
    return s->run->engine->scan(s->txn, VARVE_SLICE(low, 1), VARVE_SLICE(high, 1), 0, false, see_customer, c);
}

int tpcc_verify(struct bl_run *run, struct bl_session *sessions, unsigned count) {
    struct check c = {.run = run, .warehouses = run->settings.warehouses};
    size_t customers = (size_t)c.warehouses * TPCC_DISTRICTS * TPCC_CUSTOMERS;
    int64_t delivered = 0;
    c.paid = calloc(customers, sizeof(*c.paid));
    c.delivered = calloc(customers, sizeof(*c.delivered));
    int status = c.paid != NULL && c.delivered != NULL ? VARVE_OK : VARVE_NOMEM;
    if (status == VARVE_OK) status = bl_transaction(&sessions[0], true, check_all, &c);
    for (unsigned i = 0; i < count; i++) delivered += sessions[i].tally[DELIVERED];
    if (status == VARVE_OK && c.failed == 0)
        (void)differ(&c, 11, "orders that are not new", (long long)(c.all_orders - c.all_new),
                     (long long)c.warehouses * TPCC_DISTRICTS * (TPCC_NEW_FROM - 1) + delivered);
    free(c.paid);
    free(c.delivered);
    free(c.orders);
    if (status != VARVE_OK) return bl_refuse(run, status, "the check could not read the rows");
    return c.failed == 0 || !bl_serializable(run) ? VARVE_OK : VARVE_CORRUPT;
}
