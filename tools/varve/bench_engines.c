/* bench_engines.c - which engines run, whether they may be compared, and at which of their levels.
 *
 * Equal durability: what is lost when the process is killed, and when the power fails, is the same kind of thing for all.
 * An engine that cannot do the mode that was asked for is refused by name, or left out of `all`, unless --unequal.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench.h"
#include "bench/driver/engine_varve.h"
#include "bench/peers/find.h"
#include "varve_cmd.h"

static int add_engine(struct bench_ask *ask, const struct peer *engine) {
    if (ask->engine_count == BENCH_ENGINES_MAX) return bench_complain(engine->name, "too many engines");
    ask->engines[ask->engine_count++] = engine;
    return 0;
}

static int add_ours(struct bench_ask *ask) {
    static const struct {
        const char *name;
        const struct peer *engine;
    } schemes[] = {{"mvcc", &bench_varve_mvcc}, {"2pl", &bench_varve_2pl}, {"occ", &bench_varve_occ}};
    char list[128], *rest = list, *word;
    if (strcmp(ask->cc, "none") == 0) return 0;
    snprintf(list, sizeof(list), "%s", strcmp(ask->cc, "all") == 0 ? "mvcc,2pl,occ" : ask->cc);
    while ((word = strsep(&rest, ",")) != NULL) {
        size_t i = 0;
        while (i < 3 && strcmp(schemes[i].name, word) != 0) i++;
        if (i == 3) return bench_complain("--cc", "mvcc, 2pl, occ, several of them with commas between, all or none");
        if (add_engine(ask, schemes[i].engine) != 0) return EXIT_USAGE;
    }
    ask->ours_count = ask->engine_count;
    return 0;
}

/* NULL: it loses what Varve loses in this mode. */
static const char *unequal_because(const struct bench_ask *ask, const struct peer *peer) {
    if (strcmp(ask->sync, "interval") == 0) return "has no mode that syncs by the clock";
    if (ask->sync_mode != PEER_SYNC_NONE) return NULL;
    if (ask->ours_count > 0 && strcmp(ask->directory, ":memory:") == 0) return "keeps files, and Varve in :memory: none";
    if (strcmp(peer->name, "lmdb") == 0 || strcmp(peer->name, "sqlite") == 0)
        return "hands every commit to the operating system: it has no weaker mode";
    return NULL;
}

static int add_peer(struct bench_ask *ask, const char *name, bool all) {
    char why[300];
    const struct peer *peer = peer_find(name, ask->peer_dir, why, sizeof(why));
    const char *unequal = peer != NULL ? unequal_because(ask, peer) : NULL;
    if (unequal != NULL && ask->unequal) fprintf(stderr, "unequal: %s %s\n", name, unequal), unequal = NULL;
    if (unequal != NULL)
        snprintf(why, sizeof(why), "%s %s; --sync write is the same for all, --unequal runs it all the same", name,
                 unequal);
    if (peer != NULL && unequal == NULL) return add_engine(ask, peer);
    if (!all) return bench_complain("--peer", why);
    fprintf(stderr, "left out: %s\n", why);
    return 0;
}

/* Text for varve_open may weaken what was asked, and then the peers run at something else. */
static int check_extra(const struct bench_ask *ask) {
    if (ask->extra == NULL || ask->peers == NULL || ask->unequal || strstr(ask->extra, "sync=") == NULL) return 0;
    return bench_complain("--options", "sync= changes Varve's durability alone; use --sync, or --unequal");
}

int bench_find_engines(struct bench_ask *ask) {
    char list[256], *rest = list, *name;
    int status = add_ours(ask);
    if (status == 0) status = check_extra(ask);
    if (status != 0 || ask->peers == NULL) return status;
    if (strcmp(ask->directory, ":memory:") == 0 && ask->ours_count == 0)
        return bench_complain("--dir", "peers need a directory; only Varve runs in :memory:");
    bool all = strcmp(ask->peers, "all") == 0;
    snprintf(list, sizeof(list), "%s", all ? "lmdb,wiredtiger,rocksdb,rocksdb-optimistic,berkeleydb,sqlite" : ask->peers);
    while ((name = strsep(&rest, ",")) != NULL && status == 0) status = add_peer(ask, name, all);
    if (status == 0 && ask->engine_count == 0) return bench_complain("--peer", "none of them can run");
    return status;
}

static bool only_reads(const struct bl_load *load) {
    for (unsigned k = 0; k < load->kind_count; k++)
        if (!load->read_only[k]) return false;
    return true;
}

/* SQLite's manual: a transaction that will write should say so at its begin, or it fails when it turns into a writer. */
static unsigned sqlite_level(const struct peer *engine, const struct bl_load *load) {
    const char *wanted = only_reads(load) ? "WAL, BEGIN" : "WAL, BEGIN IMMEDIATE";
    for (unsigned i = 0; i < engine->level_count; i++)
        if (strcasecmp(engine->levels[i].name, wanted) == 0) return i;
    return 0;
}

unsigned bench_level(const struct bench_ask *ask, const struct peer *engine, varve_isolation wanted,
                     const struct bl_load *load) {
    unsigned best = 0;
    for (unsigned i = 0; i < ask->ours_count; i++)
        if (ask->engines[i] == engine) return (unsigned)(wanted - VARVE_READ_UNCOMMITTED);
    if (strcmp(engine->name, "sqlite") == 0) return sqlite_level(engine, load);
    for (unsigned i = 1; i < engine->level_count; i++) {
        varve_isolation claims = engine->levels[i].claims, so_far = engine->levels[best].claims;
        bool better = so_far < wanted ? claims > so_far : claims >= wanted && claims < so_far;
        if (better) best = i;
    }
    return best;
}
