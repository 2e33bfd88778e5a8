/* tpcc.h - TPC-C over one ordered map: rows, keys, and what the files of the load share. Private to bench/loads.
 *
 * TPC Benchmark C, standard specification, revision 5.11. All five transactions, in full, with spec-sized tables. Left out: keying
 * and think times and the terminals (a thread draws its next transaction at once; its home warehouse is its number modulo
 * the warehouses), and the clock (dates are sequence numbers). Two secondary indexes are kept by the transactions:
 * customers by last name, and a customer's orders, newest first. Money is in cents, rates in hundredths of a percent.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_BENCH_TPCC_H
#define VARVE_BENCH_TPCC_H

#include "bench/loads/common.h"

enum {
    TPCC_ITEMS = 100000,
    TPCC_DISTRICTS = 10,
    TPCC_CUSTOMERS = 3000, /* of a district */
    TPCC_ORDERS = 3000,    /* of a district, at first */
    TPCC_NEW_FROM = 2101,  /* first order without a delivery */
    TPCC_LINES_MOST = 15,
};
enum tpcc_table { T_WAREHOUSE = 'W', T_DISTRICT = 'D', T_CUSTOMER = 'C', T_BY_NAME = 'N', T_HISTORY = 'H', T_ORDER = 'O',
                  T_BY_CUSTOMER = 'Q', T_NEW_ORDER = 'M', T_LINE = 'L', T_ITEM = 'I', T_STOCK = 'S' };
enum tpcc_kind { K_NEW_ORDER, K_PAYMENT, K_ORDER_STATUS, K_DELIVERY, K_STOCK_LEVEL };
enum { DELIVERED }; /* tally: orders delivered by committed transactions */

struct tpcc_warehouse {
    int64_t ytd;
    int32_t tax;
    char name[10], street[2][20], city[20], state[2], zip[9], spare[3];
};
struct tpcc_district {
    int64_t ytd;
    int32_t tax;
    uint32_t next_order;
    char name[10], street[2][20], city[20], state[2], zip[9], spare[7];
};
struct tpcc_customer {
    int64_t balance, ytd_payment, credit_limit, since;
    int32_t discount;
    uint32_t payments, deliveries, id;
    char credit[2], first[16], middle[2], last[16], street[2][20], city[20], state[2], zip[9], phone[16], data[413];
};
struct tpcc_history {
    int64_t amount, date;
    uint32_t customer, customer_warehouse;
    uint8_t customer_district;
    char data[23];
};
struct tpcc_order {
    int64_t entry;
    uint32_t customer, carrier; /* carrier 0: not delivered */
    uint32_t lines, all_local;
};
struct tpcc_line {
    int64_t amount, delivery; /* delivery 0: not delivered */
    uint32_t item, supplier, quantity;
    char info[28];
};
struct tpcc_item {
    int64_t price;
    uint32_t image;
    char name[24], data[52];
};
struct tpcc_stock {
    int64_t ytd;
    int32_t quantity;
    uint32_t orders, remote;
    char info[TPCC_DISTRICTS][24], data[52];
};

/* What a transaction was drawn as; in session->buffer, for every attempt. */
struct tpcc_draw {
    uint32_t warehouse, customer, customer_warehouse, carrier, threshold, lines;
    uint8_t district, customer_district;
    bool by_name, rolls_back;
    char last[16];
    int64_t amount;
    uint64_t sequence; /* of the session's transactions: dates, and the history's key */
    struct {
        uint32_t item, supplier, quantity;
    } line[TPCC_LINES_MOST];
};
static inline struct tpcc_draw *tpcc_drawn(struct bl_session *s) { return (struct tpcc_draw *)(void *)s->buffer; }

struct tpcc {
    uint32_t c_last, c_customer, c_item; /* the constants of NURand */
};

static inline struct bl_key tpcc_key(enum tpcc_table table, uint32_t warehouse) {
    struct bl_key key = bl_key_of((uint8_t)table);
    bl_key_add(&key, warehouse, 4);
    return key;
}
static inline struct bl_key tpcc_key_d(enum tpcc_table table, uint32_t warehouse, unsigned district) {
    struct bl_key key = tpcc_key(table, warehouse);
    bl_key_add(&key, district, 1);
    return key;
}
static inline struct bl_key tpcc_key_n(enum tpcc_table table, uint32_t warehouse, unsigned district, uint32_t number) {
    struct bl_key key = tpcc_key_d(table, warehouse, district);
    bl_key_add(&key, number, 4);
    return key;
}
static inline struct bl_key tpcc_key_line(uint32_t warehouse, unsigned district, uint32_t order, unsigned line) {
    struct bl_key key = tpcc_key_n(T_LINE, warehouse, district, order);
    bl_key_add(&key, line, 1);
    return key;
}
static inline struct bl_key tpcc_key_stock(uint32_t warehouse, uint32_t item) {
    struct bl_key key = tpcc_key(T_STOCK, warehouse);
    bl_key_add(&key, item, 4);
    return key;
}
static inline struct bl_key tpcc_key_item(uint32_t item) {
    struct bl_key key = bl_key_of(T_ITEM);
    bl_key_add(&key, item, 4);
    return key;
}
static inline struct bl_key tpcc_key_name(uint32_t warehouse, unsigned district, const char last[16]) {
    struct bl_key key = tpcc_key_d(T_BY_NAME, warehouse, district);
    bl_key_text(&key, last, 16);
    return key;
}
static inline struct bl_key tpcc_key_by_customer(uint32_t warehouse, unsigned district, uint32_t customer,
                                                 uint32_t order) {
    struct bl_key key = tpcc_key_n(T_BY_CUSTOMER, warehouse, district, customer);
    bl_key_add(&key, UINT32_MAX - order, 4);
    return key;
}
/* Everything below a key, as a range: the key itself, and the key with its last byte that can raised. */
static inline struct bl_key tpcc_after(const struct bl_key *key) {
    struct bl_key end = *key;
    while (end.size != 0 && ++end.bytes[end.size - 1] == 0) end.size--;
    return end;
}

#define TPCC_READ(s, key, row) bl_read((s), bl_slice(&(key)), (row), sizeof(*(row)))
#define TPCC_READ_TO_WRITE(s, key, row) bl_read_to_write((s), bl_slice(&(key)), (row), sizeof(*(row)))
#define TPCC_WRITE(s, key, row) bl_write((s), bl_slice(&(key)), (row), sizeof(*(row)))

/* tpcc.c */
void tpcc_last_name(uint32_t number, char last[16]); /* clause 4.3.2.3 */
uint32_t tpcc_between(struct vb_random *random, uint32_t low, uint32_t high);
uint32_t tpcc_nurand(struct vb_random *random, uint32_t a, uint32_t c, uint32_t low, uint32_t high); /* 2.1.6 */
/* tpcc_fill.c */
int tpcc_fill(struct bl_run *run, struct bl_session *s, unsigned part, unsigned parts);
/* tpcc_orders.c, tpcc_customers.c: the five transactions */
int tpcc_new_order(struct bl_session *s, const struct tpcc_draw *d);
int tpcc_delivery(struct bl_session *s, const struct tpcc_draw *d);
int tpcc_stock_level(struct bl_session *s, const struct tpcc_draw *d);
int tpcc_payment(struct bl_session *s, const struct tpcc_draw *d);
int tpcc_order_status(struct bl_session *s, const struct tpcc_draw *d);
/* tpcc_check.c: the twelve conditions of clause 3.3.2 */
int tpcc_verify(struct bl_run *run, struct bl_session *sessions, unsigned count);

#endif
