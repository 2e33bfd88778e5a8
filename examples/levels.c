/* levels.c - what each scheme serves for each level asked for, and what it says when the exact level is demanded.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <varve.h>

static const char *const names[] = {"", "read_uncommitted", "read_committed", "repeatable_read", "snapshot",
                                    "serializable"};

/* The level served for the one asked for, or 0 when `exact` makes begin refuse. */
static int served(varve_db *db, varve_isolation asked, bool exact) {
    varve_txn_options options = VARVE_TXN_OPTIONS_INIT;
    varve_txn *txn;
    options.isolation = asked;
    options.exact = exact;
    if (varve_begin(db, &options, &txn) != VARVE_OK) return 0;
    int level = (int)varve_txn_effective_isolation(txn);
    varve_abort(txn);
    return level;
}

int main(void) {
    static const char *const schemes[] = {"mvcc", "2pl", "occ"};
    varve_db *db;
    int wrong = 0;
    if (varve_open(":memory:", NULL, &db) != VARVE_OK) return 1;
    for (int i = 0; i < 3; i++) {
        if (varve_set_concurrency(db, schemes[i], 1000) != VARVE_OK) return 1;
        for (int asked = VARVE_READ_UNCOMMITTED; asked <= VARVE_SERIALIZABLE; asked++) {
            int level = served(db, (varve_isolation)asked, false);
            int exact = served(db, (varve_isolation)asked, true);
            printf("%-5s %-16s -> %-16s exact: %s\n", schemes[i], names[asked], names[level], exact ? "yes" : "refused");
            /* Never weaker than asked for, and `exact` is refused exactly where the level differs. */
            if (level < asked || exact != (level == asked ? asked : 0)) wrong++;
        }
    }
    return varve_close(db) == VARVE_OK && wrong == 0 ? 0 : 1;
}
