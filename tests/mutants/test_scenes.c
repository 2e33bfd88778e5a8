/* test_scenes.c - one scene at least for every planted bug that a few transactions can show, named by the number of the
 * bug it was made for. All hold in the engine as it is; with a bug planted its scene fails (tests/mutants/README.md).
 *
 *   VARVE_SCENE     run only the scenes of this name
 *
 * SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mutants/scene.h"
#include "support/testdb.h"

#define RANGES {"b; s a m; w n 1; c", "b; s m z; w b 1; c"}
#define SKEW {"b; r x; r y; w x 1; c", "b; r x; r y; w y 1; c"}
#define PAIR_READ {"b; w x 1; w y 1; c", "b ro; r x; r y; c"}
#define UPDATES {"b; r x; w x 1; c", "b; r x; w x 2; c"}
#define XY "x=0 y=0"

static const struct scene scenes[] = {
    {"01-range-untracked", "mvcc occ 2pl", "x=0", RANGES, "1:2 2:2 1 2", {NULL}, 0, 0, NULL},
    {"02-absence-untracked", "mvcc occ 2pl", "x=0", {"b; r p; w q 1; c", "b; r q; w p 1; c"}, "1:2 2:2 1 2", {NULL}, 0, 0, NULL},
    {"03-tombstone-untracked", "mvcc occ 2pl", "k=0", {"b; s a m; w n 1; c", "b; r n; w k 5; c", "b; d k; c"}, "3 1:2 2 1", {NULL}, 0, 0, NULL},
    {"04-newest-noted", "mvcc occ", XY, {"b; r x; w y 1; c", "b; r y; w x 1; c"}, "1:1 2 1", {NULL}, 0, 0, NULL},
    {"05-validated-before-stamp", "mvcc occ", XY, SKEW, "2:4 1@stamp.before 2 1", {NULL}, 0, 0, NULL},
    {"06-stamp-before-locks", "mvcc occ 2pl", XY, PAIR_READ, "1@precommit.sorted 2:2 1 2", {NULL}, 0, 0, NULL},
    {"07-unregistered-stamp", "mvcc occ 2pl", "x=0", {"b ro; r x; c", "b; w x 1; c", "b; w x 2; c", "b; w x 3; c"}, "1@snapshot.loaded 2 gc 3 gc 4 gc 1", {NULL}, 0, 0, NULL},
    {"08-installing-ignored", "mvcc occ 2pl", XY, PAIR_READ, "1@install.record 2:3 1 2", {NULL}, 0, 0, NULL},
    {"10-pruned-at-the-edge", "mvcc occ 2pl", "x=0", {"b ro; r x; r x; c", "b; w x 1; c", "b; w x 2; c"}, "1:2 2 gc 3 1", {NULL}, 0, 0, NULL},
    {"11-extension-forgets", "mvcc occ", "x=0 y=0 z=0", {"b; r x; r z; w y 1; c", "b; w z 1; c", "b; r y; w x 1; c"}, "1:2 2 1:1 3 1", {NULL}, 0, 0, NULL},
    {"12-split-unseen", "mvcc occ 2pl", "a=0 c=0 e=0 g=0", {"b; s b h; w a 1; c", "b; r a; w f 5; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"13-reader-extends-blindly", "mvcc occ 2pl", XY, {"b; r x; r y; c", "b; w x 1; w y 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"14-answer-rolled-back", "mvcc occ 2pl", "y=0", {"b; sp; i k 1; rb; w y 1; c", "b; r y; w k 2; c"}, "1:4 2 1", {NULL}, 0, 0, NULL},
    {"15-ring-of-three", "2pl", "x=0 y=0 z=0", {"b; w x 1; w y 1; c", "b; w y 2; w z 2; c", "b; w z 3; w x 3; c"}, "1:2 2:2 3:2 1 2 3", {NULL}, 0, 0, ",deadlock=detect"},
    {"16-put-over-tombstone", "mvcc", "x=0", {"b si; r x; w x 1; c", "b; d x; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"17-gap-before-latch", "2pl", "x=0", {"b; w b 1; c", "b; s a m; s a m; c"}, "1@precommit.leaf 2:2 1 2", {NULL}, 0, 0, NULL},
    {"18-prep-ignored", "mvcc occ 2pl", XY, PAIR_READ, "1@stamp.drawn 2:2 1 2", {NULL}, 0, 0, NULL},
    {"19-long-range", "mvcc occ 2pl", "a1=0 a2=0 a3=0 a4=0 a5=0 a6=0", {"b; s a m; w n 1; c", "b; r n; w a35 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"20-reader-off-its-stamp", "mvcc occ 2pl", XY, {"b ro; r x; r y; c", "b; w x 1; w y 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"21-first-row-stays", "mvcc occ", XY, {"b; r x; w y 1; c", "b; w x 1; c"}, "1:3 2 1", {NULL}, 0, 0, NULL},
    {"22-brief-read-lock", "mvcc occ 2pl", "x=0", {"b; r x; r x; c", "b; w x 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"23-last-gap", "mvcc occ 2pl", "a=0", {"b; s m z; s m z; c", "b; w n 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"24-half-a-gap", "2pl", "x=0", {"b; s a m; w k 1; c", "b; w b 1; c", "b ro; r b; r k; c"}, "1@precommit.linked 2 3 1", {NULL}, 0, 0, NULL},
    {"25-upgrade-over-reader", "mvcc occ 2pl", "x=0", UPDATES, "1:2 2:2 1 2", {NULL}, 0, 0, NULL},
    {"26-upgrades-unseen", "2pl", "x=0", UPDATES, "1:2 2:2 1 2", {NULL}, 0, 0, ",deadlock=detect"},
    {"27-false-deadlock", "2pl", "x=0", {"b; w x 1; c", "b; r x; c", "b; r x; c"}, "1:2 2 3 2 3 2 3 1", {NULL}, 0, 1, ",deadlock=detect"},
    {"29-lock-rolled-back", "2pl", XY, {"b; r x; sp; w x 1; rb; w y 1; c", "b; r y; w x 5; c"}, "1:5 2 1", {NULL}, 0, 0, NULL},
    {"30-unlocked-before-unlinked", "mvcc occ", NULL, {"b; i k 1; i p 1; c", "b; i p 2; c", "b; w k 7; c"}, "1:3 2 1@lock.release#2 3 1", {NULL}, 0, 0, NULL},
    {"31-one-is-woken", "2pl", "x=0", {"b; w x 1; c", "b; r x; c", "b; r x; c"}, "1:2 2 3 1", {NULL}, 0, 1, NULL},
    {"32-anybodys-lock", "2pl", "x=0", {"b; r x; r x; c", "b; r x; c", "b; w x 1; c"}, "2:2 1:2 2 3 1", {NULL}, 0, 0, NULL},
    {"33-absence-unlocked", "2pl", "x=0", {"b; r p; r p; c", "b; w p 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"34-validated-before-locks", "mvcc occ", XY, SKEW, "2:4 1@precommit.sorted 2 1", {NULL}, 0, 0, NULL},
    {"35-validators-ignored", "mvcc occ", XY, SKEW, "2:4 1@stamp.committing 2 1", {NULL}, 0, 0, NULL},
    {"37-purged-and-new", "mvcc occ", "k=0", {"b; r k; w y 1; c", "b; r y; w k 5; c", "b; d k; c", "b; w z 9; c"}, "3 4 1:2 gc 2 1", {NULL}, 0, 0, NULL},
    {"38-a-stamp-each", "mvcc occ 2pl", XY, PAIR_READ, "1@install.record 2:1 1 2", {NULL}, 0, 0, NULL},
    {"39-cannot-be-told", "mvcc occ", XY, {"b; r x; w y 1; c", "b; r y; w x 1; c", "b; w x 2; c", "gc"}, "1:3 2 1@stamp.committing 3 4 1", {NULL}, 0, 0, NULL},
    {"42-fingerprints", "mvcc occ 2pl", NULL, {"b; w k1 1; w k2 2; w k3 3; w k4 4; w k5 5; w k6 6; w k7 7; w k8 8; w k9 9; w l1 a; w l2 b; w l3 c; r k1; c"}, "1", {NULL}, 0, 0, NULL},
    {"44-created-twice", "mvcc occ 2pl", NULL, {"b; i k 1; c", "b; i k 2; c"}, "1:2 2:2 1 2", {NULL}, 0, 0, NULL},
    {"50-no-second-look", "mvcc occ 2pl", XY, PAIR_READ, "2@read.picked 1 2", {NULL}, 0, 0, NULL},
    {"51-no-image", "mvcc occ 2pl", "x=0", {"b ro; r x; r x; c", "b; w x 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"52-old-stamp-forgotten", "mvcc occ 2pl", "x=0", {"b ro; r x; r x; c", "b; w x 1; c", "b; w x 2; c", "b; w x 3; c"}, "1:2 2 gc 3 gc 4 gc 1", {NULL}, 0, 0, NULL},
    {"53-stale-begin", "mvcc occ 2pl", "x=0", {"b ro; r x; c", "b; w x 1; c"}, "2 1", {"0 ok"}, 0, 0, NULL},
    {"55-own-lock-hides", "mvcc occ", "x=0", {"b; s a m; w b 3; w n 1; c", "b; s m z; w b 2; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"56-own-insert-hides", "mvcc occ", "x=0", RANGES, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"57-existence", "mvcc occ 2pl", "p=0", {"b; has p; w c 1; c", "b; r c; d p; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"58-clock-after-check", "mvcc occ", "x=0 y=0 z=0", {"b; r x; r z; r y; c", "b; w z 1; c", "b; w x 1; w y 1; c"}, "1:2 2 1@extend.checked 3 1", {NULL}, 0, 0, NULL},
    {"59-not-read-again", "mvcc occ", XY, {"b; r x; r y; c", "b; w x 1; w y 1; c"}, "1:1 2 1", {NULL}, 0, 0, NULL},
    {"60-locked-but-old", "mvcc occ 2pl", "x=0", {"b rc; g x; w x 1; c", "b rc; g x; w x 2; c"}, "2:2 1 2 1", {NULL}, 0, 0, NULL},
    {"61-read-beside-a-writer", "2pl", XY, {"b; r y; w x 1; c", "b; r x; w y 1; c"}, "1:3 2:2 1 2", {NULL}, 0, 0, NULL},
    {"62-wound-unheard", "2pl", XY, SKEW, "1:3 2:3 1 2", {NULL}, 0, 0, NULL},
    {"64-claim-left", "2pl", XY, {"b; w x 1; w y 1; c", "b; w y 2; w x 2; c"}, "1:2 2:2 2 1", {NULL}, 0, 0, NULL},
    {"65-waits-with-its-locks", "mvcc occ", "w=0 x=0", {"b old; r x; r w; c", "b; w w 1; w x 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
    {"66-anchor-unlinked", "2pl", NULL, {"b rr; i k 1; i p 1; c", "b; i p 2; c", "b; s a c; s a c; c", "b; w b 1; c"}, "1:3 2 1@precommit.linked 3:2 1 4 3", {NULL}, 0, 0, NULL},
    {"67-anchor-purged", "2pl", "k=0 x=0", {"b; d k; c", "b; w z 1; c", "b; s a c; s a c; c", "b; w b 1; c"}, "1 2 3:2 gc 4 3", {NULL}, 0, 0, NULL},
    {"68-leaf-not-looked-at-again", "2pl", "x=0", {"b; s a m; s a m; c", "b; w b 1; c"}, "1@scan.portion 2 1", {NULL}, 0, 0, NULL},
    {"69-order-of-arrival", "mvcc occ", "a=0 b=0", {"b; w b 1; w a 1; c", "b; w a 2; w b 2; c"}, "1@precommit.locked 2 1", {NULL}, 0, 0, NULL},
    {"70-frozen-written", "mvcc occ", "k=0", {"b; d k; c", "b; w z 1; c", "b; w k 5; c"}, "1 2 3:2 gc 3", {NULL}, 0, 0, NULL},
    {"74-one-write-stays", "mvcc occ 2pl", XY, {"b; w x 1; sp; w x 2; w y 1; rb; c"}, "1", {NULL}, 0, 0, NULL},
    {"75-row-twice", "mvcc occ 2pl", "x=0", {"b; w x 1; s a z; c"}, "1", {NULL}, 0, 0, NULL},
    {"76-old-portion", "mvcc occ", "a=0 e=0 y=0", {"b; o a f; n; r y; n; n; c", "b; w b 1; w y 1; c"}, "1:3 2 1", {NULL}, 0, 0, NULL},
    {"79-first-committer", "mvcc", "x=0", {"b si; r x; w x 1; c", "b si; r x; w x 2; c"}, "1:3 2:3 1 2", {NULL}, 0, 0, NULL},
    {"80-repeatable-read", "mvcc occ", XY, {"b rr; r x; r y; w x 1; c", "b rr; r x; r y; w y 1; c"}, "1:4 2:4 1 2", {NULL}, 0, 0, NULL},
    {"81-deletes-only", "mvcc occ 2pl", XY, {"b; r x; r y; d x; c", "b; r x; r y; d y; c"}, "1:4 2:4 1 2", {NULL}, 0, 0, NULL},
    {"82-clock-goes-back", "mvcc occ 2pl", "x=0 y=0 z=0", {"b; w x 1; c", "b; w y 1; c", "b; w z 1; c", "b ro; r z; c"}, "1@stamp.prep 2 3 1 4", {NULL, NULL, NULL, "0 ok"}, 0, 0, NULL},
    {"83-bit-lent-again", "2pl", XY, {"b; r x; r y; c", "b; r x; r x; c", "b; w x 1; c"}, "1@lock.release 2:2 1 3 2", {NULL}, 0, 0, NULL},
    {"85-wake-up-lost", "2pl", "x=0", {"b; w x 1; c", "b; r x; c"}, "1:2 2@lock.sleep 1 2", {NULL}, 0, 1, NULL},
    {"86-stamp-under-a-cursor", "mvcc occ", "c=0 x=0", {"b rc; o a z; n; r q; n; c", "b; d x; w a 1; c"}, "1:3 2 1", {"c=0 - } ok"}, 1, 0, NULL},
    {"87-bound-of-a-reverse-scan", "mvcc occ 2pl", "x=0", {"b; rs a m; w n 1; c", "b; r n; w a 1; c"}, "1:2 2 1", {NULL}, 0, 0, NULL},
};
enum { SCENES = sizeof scenes / sizeof *scenes };

static void test_scenes(void **state) {
    (void)state;
    const char *only = getenv("VARVE_SCENE");
    unsigned run = 0, failed = 0;
    for (unsigned i = 0; i < SCENES; i++) {
        if (only != NULL && strcmp(scenes[i].name, only) != 0) continue;
        for (unsigned cc = 0; cc < TD_SCHEMES; cc++) {
            if (strstr(scenes[i].schemes, td_schemes[cc]) == NULL || !td_scheme_wanted(td_schemes[cc])) continue;
            const char *fault = scene_run(&scenes[i], td_schemes[cc]);
            run++;
            if (fault == NULL) continue;
            failed++;
            printf("scene %s, %s: %s\n", scenes[i].name, td_schemes[cc], fault);
        }
    }
    printf("%u scenes, %u failed\n", run, failed);
    assert_true(run != 0);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scenes)};
    setvbuf(stdout, NULL, _IOLBF, 0);
    td_watchdog(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
