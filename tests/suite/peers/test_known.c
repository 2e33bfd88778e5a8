/* test_known.c - the schedules of the corpus on each peer that was built, against what is known of the engines: what each
 * level prevents it must not let through, and what it is known to let through at least one interleaving must show.
 *
 * The table is from the engines' manuals, from the published Hermitage results and from the definitions of the levels,
 * never from what a run printed. A run counts only when nobody was refused in it. Left out are schedules in which a
 * savepoint takes reads back, whose locks no peer keeps, and those of declared readers, which ask for a snapshot as of the
 * begin; bench/peers/README.md tells of both.
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench/peers/find.h"
#include "model/oracle.h"
#include "schedule/load.h"
#include "step/peer_run.h"
#include "support/testdb.h"

#define ALL_OF_A "A1 A2 A3 A4 "
#define UP_TO_LOST_UPDATES ALL_OF_A "B1 B2 B3 B4 B5 B6 B7 B8 B9 C1 C2 C4 "
#define EVERYTHING UP_TO_LOST_UPDATES "B10 B11 C3 D1 D2 D3 D4 D5 D6 D7 D8 D9 "

static const struct known {
    const char *peer, *level;
    const char *prevents, *shows;
} table[] = {
    {"lmdb", "one writer, snapshot readers", EVERYTHING, ""},
    {"sqlite", "WAL, BEGIN", EVERYTHING, ""},
    {"sqlite", "WAL, BEGIN IMMEDIATE", EVERYTHING, ""},
    {"sqlite", "journal, BEGIN", EVERYTHING, ""},
    {"sqlite", "journal, BEGIN IMMEDIATE", EVERYTHING, ""},
    {"berkeleydb", "degree 3", EVERYTHING, ""},
    {"berkeleydb", "degree 2", ALL_OF_A, "B4 B5 B8 C1 D1 D2 "},
    /* Two writers of rows on one page, as here, never run side by side: no A4, and no skew at snapshot (test_peers.c has
     * it with rows on pages apart). */
    {"berkeleydb", "degree 1", "A1 ", "A2 A3 B1 B4 B5 B8 C1 D1 D2 "},
    {"berkeleydb", "snapshot", UP_TO_LOST_UPDATES, ""},
    {"wiredtiger", "snapshot", UP_TO_LOST_UPDATES, "D1 D2 D3 D5 "},
    {"wiredtiger", "read committed", "A2 A3 A4 ", "B4 B5 B8 "},
    {"wiredtiger", "read uncommitted", "", "A2 A3 A4 B4 "},
    {"rocksdb", "plain reads", ALL_OF_A "B1 ", "B4 B5 B8 C1 D1 D2 D5 "},
    {"rocksdb", "snapshot", UP_TO_LOST_UPDATES, "D1 D2 D3 D5 "},
    {"rocksdb", "every read for update", ALL_OF_A "B1 B4 B8 C1 C2 D1 D3 D4 ", "B5 D2 "},
    {"rocksdb-optimistic", "plain reads", ALL_OF_A "B1 ", "B4 B5 B8 C1 D1 D2 D5 "},
    {"rocksdb-optimistic", "snapshot", UP_TO_LOST_UPDATES, "D1 D2 D3 D5 "},
    {"rocksdb-optimistic", "every read for update", ALL_OF_A "B1 B4 B8 C1 C2 D1 D3 D4 ", "B5 D2 "},
};

static struct ss_set corpus;

static bool listed(const char *ids, const char *id) {
    char word[sizeof corpus.schedules[0]->id + 1];
    snprintf(word, sizeof word, "%s ", id);
    const char *at = strstr(ids, word);
    return at != NULL && (at == ids || at[-1] == ' ');
}

static bool left_out(const struct ss_schedule *schedule) {
    for (unsigned i = 0; i < schedule->step_count; i++)
        if (schedule->steps[i].read_only || schedule->steps[i].verb == SS_ROLLBACK) return true;
    return false;
}

static bool anybody_refused(const struct ss_schedule *schedule, const struct ss_run *run) {
    for (unsigned t = 0; t < schedule->txn_count; t++)
        if (run->txns[t].begun && !run->txns[t].committed && run->txns[t].status != VARVE_OK) return true;
    return false;
}

/* How many interleavings show it; the last of them in *which. */
static unsigned count_shown(struct st_peer *peer, const struct ss_schedule *schedule, uint64_t *which) {
    static struct ss_run run;
    uint8_t order[SS_STEPS_MAX];
    unsigned shown = 0, blocked;
    for (uint64_t n = 0; n < ss_interleavings(schedule); n++) {
        struct sm_verdict verdict;
        ss_interleaving(schedule, n, order);
        TD_STATUS(st_peer_run(peer, schedule, order, &run, &blocked), VARVE_OK);
        if (anybody_refused(schedule, &run)) continue;
        sm_judge(schedule, &run, false, &verdict);
        if (!ss_is_anomaly(schedule, &run, !verdict.serial)) continue;
        shown++;
        *which = n;
    }
    return shown;
}

static void one_level(struct st_peer *peer, const struct known *known) {
    char error[256] = "", missing[256];
    unsigned level = 0;
    while (level < st_peer_levels(peer) && strcmp(st_peer_level_name(peer, level), known->level) != 0) level++;
    TD_CHECK(level < st_peer_levels(peer), "no level %s", known->level);
    TD_CHECK(st_peer_open(peer, level, NULL, error, sizeof error) == VARVE_OK, "%s", error);
    snprintf(missing, sizeof missing, "%s", known->shows);
    for (unsigned i = 0; i < corpus.count; i++) {
        const struct ss_schedule *schedule = corpus.schedules[i];
        bool prevents = listed(known->prevents, schedule->id), shows = listed(missing, schedule->id);
        uint64_t which = 0;
        if ((!prevents && !shows) || left_out(schedule) || !st_peer_can(peer, schedule)) continue;
        unsigned shown = count_shown(peer, schedule, &which);
        TD_CHECK(!prevents || shown == 0, "%s: %s/%llu was let through", schedule->id, schedule->name,
                 (unsigned long long)which);
        if (!shows || shown == 0) continue;
        char *at = missing;
        while (strncmp(at, schedule->id, strlen(schedule->id)) != 0 || at[strlen(schedule->id)] != ' ')
            at = strchr(at, ' ') + 1;
        memmove(at, strchr(at, ' ') + 1, strlen(strchr(at, ' ')));
    }
    TD_CHECK(missing[0] == 0, "not shown: %s", missing);
}

static void peers_are_as_they_are_known(void **state) {
    unsigned tried = 0;
    char why[200];
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct peer *module = peer_find(table[i].peer, NULL, why, sizeof why);
        struct st_peer *peer;
        if (module == NULL) {
            printf("left out: %s\n", why);
            continue;
        }
        td_context("%s, %s", table[i].peer, table[i].level);
        TD_STATUS(st_peer_wrap(module, &peer), VARVE_OK);
        one_level(peer, &table[i]);
        st_peer_close(peer);
        tried++;
    }
    printf("%u levels\n", tried);
}

static int load_corpus(void **state) {
    (void)state;
    ss_set_init(&corpus);
    return ss_set_add_corpus(&corpus, stdout) == VARVE_OK ? 0 : -1;
}
static int release_corpus(void **state) {
    (void)state;
    ss_set_release(&corpus);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(peers_are_as_they_are_known)};
    td_watchdog(240);
    return cmocka_run_group_tests_name("known", tests, load_corpus, release_corpus);
}
