/* fake_varve.h - what the files of the fake engine share; see fake_varve.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_MODEL_FAKE_VARVE_H
#define VARVE_TESTS_MODEL_FAKE_VARVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/model.h"
#include "varve.h"

enum { FAKE_LOCKS = 4096, FAKE_DIRECTORIES = 256 };

enum fault { FAULT_NONE, FAULT_LEVEL, FAULT_LOST, FAULT_SCAN, FAULT_ROLLBACK, FAULT_REOPEN };

struct varve_table {
    varve_db *db;
    char name[64];
    unsigned slot;
    bool live;
};

struct held_lock {
    varve_txn *owner;
    unsigned table;
    varve_slice key; /* in `bytes` */
    char bytes[320];
};

struct varve_db {
    char path[512];
    bool open;
    bool failed_open;
    bool memory;
    pid_t pid;
    enum fault fault;
    char cc[8];
    varve_isolation isolation;
    unsigned max_transactions;
    unsigned begin_timeout_ms;
    size_t max_txn_bytes;
    struct model *model;
    struct varve_table tables[MODEL_TABLES];
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool gate_closed;
    unsigned open_txns;
    uint64_t begins, commits, commits_read_only, aborts;
    varve_txn *finished; /* handles waiting for reuse, first in first out */
    varve_txn **finished_tail;
    struct held_lock *locks; /* [lock_count] */
    unsigned lock_count;
    char error[512];
};

struct varve_txn {
    varve_db *db;
    struct model_txn *model;
    bool live;
    bool fresh;
    int doom;
    varve_isolation level;
    uint64_t id;
    size_t bytes;
    varve_error *report;
    varve_cursor *cursors;
    varve_txn *next;
    char error[256];
};

struct varve_cursor {
    varve_txn *txn;
    varve_cursor *next;
    varve_table *table;
    varve_range range;
    bool live;
    int place; /* -1 before the first row, 0 on `at`, 1 after the last */
    uint64_t given;
    varve_slice at;
};

/* Takes the database's mutex when it answers OK. */
int fake_enter(varve_txn *txn);
int fake_leave(varve_txn *txn, int status);
/* Cursors of a finished transaction stay until its handle is used again, so that they can answer MISUSE. */
void fake_cursors_free(varve_txn *txn);
int fake_db_usable(varve_db *db);
int fake_db_error(varve_db *db, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
