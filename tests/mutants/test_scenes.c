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
    {.name = "01-range-untracked", .schemes = "mvcc occ 2pl", .init = "x=0", .programs = RANGES,
     .script = "1:2 2:2 1 2"},
    {.name = "02-absence-untracked", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b; r p; w q 1; c", "b; r q; w p 1; c"}, .script = "1:2 2:2 1 2"},
    {.name = "03-tombstone-untracked", .schemes = "mvcc occ 2pl", .init = "k=0",
     .programs = {"b; s a m; w n 1; c", "b; r n; w k 5; c", "b; d k; c"}, .script = "3 1:2 2 1"},
    {.name = "04-newest-noted", .schemes = "mvcc occ", .init = XY, .programs = {"b; r x; w y 1; c", "b; r y; w x 1; c"},
     .script = "1:1 2 1"},
    {.name = "05-validated-before-stamp", .schemes = "mvcc occ", .init = XY, .programs = SKEW,
     .script = "2:4 1@stamp.before 2 1"},
    {.name = "06-stamp-before-locks", .schemes = "mvcc occ 2pl", .init = XY, .programs = PAIR_READ,
     .script = "1@precommit.sorted 2:2 1 2"},
    {.name = "07-unregistered-stamp", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b ro; r x; c", "b; w x 1; c", "b; w x 2; c", "b; w x 3; c"},
     .script = "1@snapshot.loaded 2 gc 3 gc 4 gc 1"},
    {.name = "08-installing-ignored", .schemes = "mvcc occ 2pl", .init = XY, .programs = PAIR_READ,
     .script = "1@install.record 2:3 1 2"},
    {.name = "10-pruned-at-the-edge", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b ro; r x; r x; c", "b; w x 1; c", "b; w x 2; c"}, .script = "1:2 2 gc 3 1"},
    {.name = "11-extension-forgets", .schemes = "mvcc occ", .init = "x=0 y=0 z=0",
     .programs = {"b; r x; r z; w y 1; c", "b; w z 1; c", "b; r y; w x 1; c"}, .script = "1:2 2 1:1 3 1"},
    {.name = "12-split-unseen", .schemes = "mvcc occ 2pl", .init = "a=0 c=0 e=0 g=0",
     .programs = {"b; s b h; w a 1; c", "b; r a; w f 5; c"}, .script = "1:2 2 1"},
    {.name = "13-reader-extends-blindly", .schemes = "mvcc occ 2pl", .init = XY,
     .programs = {"b; r x; r y; c", "b; w x 1; w y 1; c"}, .script = "1:2 2 1"},
    {.name = "14-answer-rolled-back", .schemes = "mvcc occ 2pl", .init = "y=0",
     .programs = {"b; sp; i k 1; rb; w y 1; c", "b; r y; w k 2; c"}, .script = "1:4 2 1"},
    {.name = "15-ring-of-three", .schemes = "2pl", .init = "x=0 y=0 z=0",
     .programs = {"b; w x 1; w y 1; c", "b; w y 2; w z 2; c", "b; w z 3; w x 3; c"}, .script = "1:2 2:2 3:2 1 2 3",
     .options = ",deadlock=detect"},
    {.name = "16-put-over-tombstone", .schemes = "mvcc", .init = "x=0",
     .programs = {"b si; r x; w x 1; c", "b; d x; c"}, .script = "1:2 2 1"},
    {.name = "17-gap-before-latch", .schemes = "2pl", .init = "x=0", .programs = {"b; w b 1; c", "b; s a m; s a m; c"},
     .script = "1@precommit.leaf 2:2 1 2"},
    {.name = "18-prep-ignored", .schemes = "mvcc occ 2pl", .init = XY, .programs = PAIR_READ,
     .script = "1@stamp.drawn 2:2 1 2"},
    {.name = "19-long-range", .schemes = "mvcc occ 2pl", .init = "a1=0 a2=0 a3=0 a4=0 a5=0 a6=0",
     .programs = {"b; s a m; w n 1; c", "b; r n; w a35 1; c"}, .script = "1:2 2 1"},
    {.name = "20-reader-off-its-stamp", .schemes = "mvcc occ 2pl", .init = XY,
     .programs = {"b ro; r x; r y; c", "b; w x 1; w y 1; c"}, .script = "1:2 2 1"},
    {.name = "21-first-row-stays", .schemes = "mvcc occ", .init = XY, .programs = {"b; r x; w y 1; c", "b; w x 1; c"},
     .script = "1:3 2 1"},
    {.name = "22-brief-read-lock", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b; r x; r x; c", "b; w x 1; c"}, .script = "1:2 2 1"},
    {.name = "23-last-gap", .schemes = "mvcc occ 2pl", .init = "a=0", .programs = {"b; s m z; s m z; c", "b; w n 1; c"},
     .script = "1:2 2 1"},
    {.name = "24-half-a-gap", .schemes = "2pl", .init = "x=0",
     .programs = {"b; s a m; w k 1; c", "b; w b 1; c", "b ro; r b; r k; c"}, .script = "1@precommit.linked 2 3 1"},
    {.name = "25-upgrade-over-reader", .schemes = "mvcc occ 2pl", .init = "x=0", .programs = UPDATES,
     .script = "1:2 2:2 1 2"},
    {.name = "26-upgrades-unseen", .schemes = "2pl", .init = "x=0", .programs = UPDATES, .script = "1:2 2:2 1 2",
     .options = ",deadlock=detect"},
    {.name = "27-false-deadlock", .schemes = "2pl", .init = "x=0",
     .programs = {"b; w x 1; c", "b; r x; c", "b; r x; c"}, .script = "1:2 2 3 2 3 2 3 1", .all_commit = 1,
     .options = ",deadlock=detect"},
    {.name = "29-lock-rolled-back", .schemes = "2pl", .init = XY,
     .programs = {"b; r x; sp; w x 1; rb; w y 1; c", "b; r y; w x 5; c"}, .script = "1:5 2 1"},
    {.name = "30-unlocked-before-unlinked", .schemes = "mvcc occ",
     .programs = {"b; i k 1; i p 1; c", "b; i p 2; c", "b; w k 7; c"}, .script = "1:3 2 1@lock.release#2 3 1"},
    {.name = "31-one-is-woken", .schemes = "2pl", .init = "x=0", .programs = {"b; w x 1; c", "b; r x; c", "b; r x; c"},
     .script = "1:2 2 3 1", .all_commit = 1},
    {.name = "32-anybodys-lock", .schemes = "2pl", .init = "x=0",
     .programs = {"b; r x; r x; c", "b; r x; c", "b; w x 1; c"}, .script = "2:2 1:2 2 3 1"},
    {.name = "33-absence-unlocked", .schemes = "2pl", .init = "x=0", .programs = {"b; r p; r p; c", "b; w p 1; c"},
     .script = "1:2 2 1"},
    {.name = "34-validated-before-locks", .schemes = "mvcc occ", .init = XY, .programs = SKEW,
     .script = "2:4 1@precommit.sorted 2 1"},
    {.name = "35-validators-ignored", .schemes = "mvcc occ", .init = XY, .programs = SKEW,
     .script = "2:4 1@stamp.committing 2 1"},
    {.name = "37-purged-and-new", .schemes = "mvcc occ", .init = "k=0",
     .programs = {"b; r k; w y 1; c", "b; r y; w k 5; c", "b; d k; c", "b; w z 9; c"}, .script = "3 4 1:2 gc 2 1"},
    {.name = "38-a-stamp-each", .schemes = "mvcc occ 2pl", .init = XY, .programs = PAIR_READ,
     .script = "1@install.record 2:1 1 2"},
    {.name = "39-cannot-be-told", .schemes = "mvcc occ", .init = XY,
     .programs = {"b; r x; w y 1; c", "b; r y; w x 1; c", "b; w x 2; c", "gc"},
     .script = "1:3 2 1@stamp.committing 3 4 1"},
    {.name = "42-fingerprints", .schemes = "mvcc occ 2pl",
     .programs = {"b; w k1 1; w k2 2; w k3 3; w k4 4; w k5 5; w k6 6; w k7 7; w k8 8; w k9 9; w l1 a; w l2 b; c"},
     .script = "1"},
    {.name = "43-cut-does-not-wait", .schemes = "mvcc occ 2pl", .init = XY, .programs = {"b; w x 1; c", "b; w y 1; c"},
     .script = "1@stamp.committing 2 1", .durable = 1},
    {.name = "44-created-twice", .schemes = "mvcc occ 2pl", .programs = {"b; i k 1; c", "b; i k 2; c"},
     .script = "1:2 2:2 1 2"},
    {.name = "45-logged-before-validated", .schemes = "mvcc occ", .init = XY, .programs = SKEW, .script = "1:4 2:4 1 2",
     .durable = 1},
    {.name = "50-no-second-look", .schemes = "mvcc occ 2pl", .init = XY, .programs = PAIR_READ,
     .script = "2@read.picked 1 2"},
    {.name = "51-no-image", .schemes = "mvcc occ 2pl", .init = "x=0", .programs = {"b ro; r x; r x; c", "b; w x 1; c"},
     .script = "1:2 2 1"},
    {.name = "52-old-stamp-forgotten", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b ro; r x; r x; c", "b; w x 1; c", "b; w x 2; c", "b; w x 3; c"}, .script = "1:2 2 gc 3 gc 4 gc 1"},
    {.name = "53-stale-begin", .schemes = "mvcc occ 2pl", .init = "x=0", .programs = {"b ro; r x; c", "b; w x 1; c"},
     .script = "2 1", .never = {"0 ok"}},
    {.name = "55-own-lock-hides", .schemes = "mvcc occ", .init = "x=0",
     .programs = {"b; s a m; w b 3; w n 1; c", "b; s m z; w b 2; c"}, .script = "1:2 2 1"},
    {.name = "56-own-insert-hides", .schemes = "mvcc occ", .init = "x=0", .programs = RANGES, .script = "1:2 2 1"},
    {.name = "57-existence", .schemes = "mvcc occ 2pl", .init = "p=0",
     .programs = {"b; has p; w c 1; c", "b; r c; d p; c"}, .script = "1:2 2 1"},
    {.name = "58-clock-after-check", .schemes = "mvcc occ", .init = "x=0 y=0 z=0",
     .programs = {"b; r x; r z; r y; c", "b; w z 1; c", "b; w x 1; w y 1; c"}, .script = "1:2 2 1@extend.checked 3 1"},
    {.name = "59-not-read-again", .schemes = "mvcc occ", .init = XY,
     .programs = {"b; r x; r y; c", "b; w x 1; w y 1; c"}, .script = "1:1 2 1"},
    {.name = "60-locked-but-old", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b rc; g x; w x 1; c", "b rc; g x; w x 2; c"}, .script = "2:2 1 2 1"},
    {.name = "61-read-beside-a-writer", .schemes = "2pl", .init = XY,
     .programs = {"b; r y; w x 1; c", "b; r x; w y 1; c"}, .script = "1:3 2:2 1 2"},
    {.name = "62-wound-unheard", .schemes = "2pl", .init = XY, .programs = SKEW, .script = "1:3 2:3 1 2"},
    {.name = "64-claim-left", .schemes = "2pl", .init = XY, .programs = {"b; w x 1; w y 1; c", "b; w y 2; w x 2; c"},
     .script = "1:2 2:2 2 1"},
    {.name = "65-waits-with-its-locks", .schemes = "mvcc occ", .init = "w=0 x=0",
     .programs = {"b old; r x; r w; c", "b; w w 1; w x 1; c"}, .script = "1:2 2 1"},
    {.name = "66-anchor-unlinked", .schemes = "2pl",
     .programs = {"b rr; i k 1; i p 1; c", "b; i p 2; c", "b; s a c; s a c; c", "b; w b 1; c"},
     .script = "1:3 2 1@precommit.linked 3:2 1 4 3"},
    {.name = "67-anchor-purged", .schemes = "2pl", .init = "k=0 x=0",
     .programs = {"b; d k; c", "b; w z 1; c", "b; s a c; s a c; c", "b; w b 1; c"}, .script = "1 2 3:2 gc 4 3"},
    {.name = "68-leaf-not-looked-at-again", .schemes = "2pl", .init = "x=0",
     .programs = {"b; s a m; s a m; c", "b; w b 1; c"}, .script = "1@scan.portion 2 1"},
    {.name = "69-order-of-arrival", .schemes = "mvcc occ", .init = "a=0 b=0",
     .programs = {"b; w b 1; w a 1; c", "b; w a 2; w b 2; c"}, .script = "1@precommit.locked 2 1"},
    {.name = "70-frozen-written", .schemes = "mvcc occ", .init = "k=0",
     .programs = {"b; d k; c", "b; w z 1; c", "b; w k 5; c"}, .script = "1 2 3:2 gc 3"},
    {.name = "74-one-write-stays", .schemes = "mvcc occ 2pl", .init = XY,
     .programs = {"b; w x 1; sp; w x 2; w y 1; rb; c"}, .script = "1"},
    {.name = "75-row-twice", .schemes = "mvcc occ 2pl", .init = "x=0", .programs = {"b; w x 1; s a z; c"},
     .script = "1"},
    {.name = "76-old-portion", .schemes = "mvcc occ", .init = "a=0 e=0 y=0",
     .programs = {"b; o a f; n; r y; n; n; c", "b; w b 1; w y 1; c"}, .script = "1:3 2 1"},
    {.name = "79-first-committer", .schemes = "mvcc", .init = "x=0",
     .programs = {"b si; r x; w x 1; c", "b si; r x; w x 2; c"}, .script = "1:3 2:3 1 2"},
    {.name = "80-repeatable-read", .schemes = "mvcc occ", .init = XY,
     .programs = {"b rr; r x; r y; w x 1; c", "b rr; r x; r y; w y 1; c"}, .script = "1:4 2:4 1 2"},
    {.name = "81-deletes-only", .schemes = "mvcc occ 2pl", .init = XY,
     .programs = {"b; r x; r y; d x; c", "b; r x; r y; d y; c"}, .script = "1:4 2:4 1 2"},
    {.name = "82-clock-goes-back", .schemes = "mvcc occ 2pl", .init = "x=0 y=0 z=0",
     .programs = {"b; w x 1; c", "b; w y 1; c", "b; w z 1; c", "b ro; r z; c"}, .script = "1@stamp.prep 2 3 1 4",
     .never = {NULL, NULL, NULL, "0 ok"}},
    {.name = "83-bit-lent-again", .schemes = "2pl", .init = XY,
     .programs = {"b; r x; r y; c", "b; r x; r x; c", "b; w x 1; c"}, .script = "1@lock.release 2:2 1 3 2"},
    {.name = "85-wake-up-lost", .schemes = "2pl", .init = "x=0", .programs = {"b; w x 1; c", "b; r x; c"},
     .script = "1:2 2@lock.sleep 1 2", .all_commit = 1},
    {.name = "86-stamp-under-a-cursor", .schemes = "mvcc occ", .init = "c=0 x=0",
     .programs = {"b rc; o a z; n; r q; n; c", "b; d x; w a 1; c"}, .script = "1:3 2 1", .never = {"c=0 - } ok"},
     .never_only = 1},
    {.name = "87-bound-of-a-reverse-scan", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b; rs a m; w n 1; c", "b; r n; w a 1; c"}, .script = "1:2 2 1"},
    {.name = "88-cut-takes-too-much", .schemes = "mvcc occ 2pl", .init = XY, .programs = {"b; w x 1; c", "b; w y 1; c"},
     .script = "1@cut.clock 2 1", .durable = 1},
    {.name = "89-committers-unseen", .schemes = "mvcc occ", .init = "x=0",
     .programs = {"b; s a m; w x 1; c", "b; r x; w b 1; c"}, .script = "1:2 2@stamp.committing 1 2"},
    {.name = "90-dead-record", .schemes = "mvcc occ", .init = "k=0",
     .programs = {"b rc; r k; r k; c", "b; d k; c", "b; w z 1; c", "b; w k 5; c"}, .script = "2 3 1:2 gc 4 1",
     .never = {"- - ok"}, .never_only = 1},
    {.name = "91-insert-then-put", .schemes = "mvcc occ 2pl",
     .programs = {"b; i k 1; w k 2; c", "b; i k 3; w k 4; c"}, .script = "1:3 2:3 1 2"},
    {.name = "92-another-gap", .schemes = "2pl", .init = "x=0", .programs = {"b; r p; r p; c", "b; w p 1; c"},
     .script = "1@gap.found 2 1"},
    {.name = "93-lost-at-snapshot", .schemes = "mvcc occ 2pl", .init = "x=0",
     .programs = {"b si; r x; w x 1; c", "b si; r x; w x 2; c"}, .script = "1:3 2:3 1 2"},
    {.name = "95-counter-too-late", .schemes = "mvcc occ", .init = "x=0",
     .programs = {"b; s a m; w x 1; c", "b; r x; w b 1; c"}, .script = "1@scan.crossed 2 1"},
    {.name = "96-ranges-in-extensions", .schemes = "mvcc occ", .init = "x=0",
     .programs = {"b; s a m; r x; c", "b; w b 1; w x 1; c"}, .script = "1:2 2 1"},
    {.name = "97-sum-before-lock", .schemes = "mvcc occ 2pl", .init = "n=#0", .programs = {"b; + n 1; c", "b; + n 2; c"},
     .script = "1@precommit.sorted 2 1", .all_commit = 1},
    {.name = "98-sum-outlives-rollback", .schemes = "mvcc occ 2pl", .init = "n=#0",
     .programs = {"b; + n 1; sp; + n 10; rb; c", "b; + n 100; c"}, .script = "1:5 2 1", .all_commit = 1},
    {.name = "99-delta-logged", .schemes = "mvcc occ 2pl", .init = "n=#5", .programs = {"b; + n 1; c", "b; + n 2; c"},
     .script = "1:2 2 1", .all_commit = 1, .durable = 1},
    {.name = "100-sum-read-and-forgotten", .schemes = "mvcc occ 2pl", .init = "n=#5",
     .programs = {"b si; + n 1; r n; c", "b si; + n 2; r n; c"}, .script = "1:3 2:3 1 2"},
    {.name = "101-read-rolled-back", .schemes = "mvcc occ 2pl", .init = "n=#5",
     .programs = {"b si; + n 1; sp; + n 1; r n; rb; c", "b si; + n 2; r n; c"}, .script = "1:6 2:3 2 1"},
    {.name = "102-sum-over-own-delete", .schemes = "mvcc occ 2pl", .init = "n=#5",
     .programs = {"b; d n; + n 1; c", "b; + n 2; c"}, .script = "1:3 2 1"},
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
