/* split.pml - a long reader beside writers: the split, the shortcut, the chain that is cut above it, and what is recycled.
 *
 * One row. Each of its versions that was overwritten is an image; each image is a chunk of its own, so that memory comes free
 * as early as the rules allow, and to look at one that has come free is an error. One writer is enough: a row's writers
 * exclude each other, and TICKs stand for commits elsewhere. Readers register as vk_snapshot_register does and read several
 * times, each time in a section. The janitor's stores before the membarrier are seen by others after it at the latest; the one
 * that matters, the split, is seen no sooner (the worst case). A grace period waits for the sections that were open.
 *
 * The scope is small (run): one reader or two, two or three installs, three or four rounds. A snapshot of stamp 0 is not in it; there
 * tests/unit/storage/test_split.c has found what a model would have.
 *
 * Holds: every read at s finds the version that was the last at or below s; nobody looks at recycled memory; young_min never
 * falls. Code: src/core/domain.c (vk_janitor_round), src/storage/version.c, chunk.c, store.c.
 * The bugs are those of tests/mutants (120 to 126) and two more; each must be found.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef INSTALLS
#define INSTALLS 4
#endif
#ifndef TICKS
#define TICKS 2
#endif
#ifndef ROUNDS
#define ROUNDS 4
#endif
#ifndef READS
#define READS 2
#endif
#ifndef REACH
#define REACH 1 /* the split is drawn so far ahead of the floor, or at it */
#endif
#ifdef BUG_MAX_OVER_ONLY
#define ONLY_YOUNG(i) true
#else
#define ONLY_YOUNG(i) (before[i] > cap_split)
#endif
#ifdef BUG_CUT_BELOW
#define ABOVE_SPLIT true
#else
#define ABOVE_SPLIT (kept > sp)
#endif
#define READERS 2
#define MOST 12 /* stamps */
#define NONE 0

byte clock = 1, gc_floor, split, dom_min, dom_young;
byte committing;       /* cts of a commit that is not installed yet, 0: none */
byte last[MOST];       /* the newest version at or below a stamp, for the judge */

byte tid = 1, head, shortcut; /* the record; images by number, 0: none */
byte before[MOST], over[MOST], prev[MOST];
byte state[MOST];      /* 0 in use, 1 ready, 2 recycled */
byte unlinked[MOST];   /* 1 in this round, 2 in an earlier one */
byte images;

/* the capture: published as a whole; sections copy it */
byte cap_floor, cap_min, cap_young, cap_split, cap_snap[READERS];

byte snap[READERS];    /* 0: none */
bool inside[READERS + 1];  /* a section; the writer's is the last */
bool awaited[READERS + 1]; /* by a grace period */
bool done;

inline enter(who) { inside[who] = true }
inline leave(who) { atomic { inside[who] = false; awaited[who] = false } }
inline look_at(i) { assert(state[i] != 2) }

/* --- the writer --------------------------------------------------------------------------------------------------- */

proctype writer() {
    byte installs = 0, ticks = 0, cts, kept, young, sp, i, o, above, at, older;
    byte c_floor, c_min, c_young, c_split, c_snap[READERS];
    bool cut, needed;
    do
    :: ticks < TICKS -> atomic { clock++; last[clock] = last[clock - 1]; ticks++ }
    :: installs < INSTALLS ->
        atomic {
            installs++;
            clock++; cts = clock; last[cts] = cts; committing = cts;
            kept = tid; /* nobody else writes it */
            images++; i = images;
            before[i] = kept
        }
#ifdef BUG_SPLIT_FIRST
        sp = split; young = dom_young;
#else
        young = dom_young; sp = split;
#endif
        atomic {
        cut = (head == NONE || kept <= dom_min || (kept <= young && ABOVE_SPLIT));
        enter(READERS);
        c_floor = cap_floor; c_min = cap_min; c_young = cap_young; c_split = cap_split;
        c_snap[0] = cap_snap[0]; c_snap[1] = cap_snap[1]
        }
        if
        :: cut -> prev[i] = NONE
        :: else ->
            if
            :: kept <= (kept > c_split -> c_young : c_min) -> prev[i] = NONE
            :: else ->
                /* prune */
                o = kept; above = NONE; at = head;
                do
                :: atomic { at != NONE && o > (o > c_split -> c_young : c_min) ->
                    look_at(at);
                    older = prev[at];
                    needed = (c_snap[0] != 0 && before[at] <= c_snap[0] && c_snap[0] < o) ||
                             (c_snap[1] != 0 && before[at] <= c_snap[1] && c_snap[1] < o);
                    if
                    :: o > c_floor || needed -> above = at
                    :: else ->
                        if
                        :: above != NONE -> prev[above] = older
                        :: else -> head = older
                        fi;
                        unlinked[at] = 1
                    fi;
                    o = before[at];
                    at = older }
                :: else -> break
                od;
                prev[i] = head
            fi
        fi;
        leave(READERS);
#ifndef BUG_NO_SHORTCUT
        if
        :: kept <= split -> 
            shortcut = i
        :: else
        fi;
#endif
        head = i;
        atomic {
            tid = cts; over[i] = cts; committing = 0;
            cts = 0; i = 0; kept = 0; young = 0; sp = 0; o = 0; above = 0; at = 0; older = 0; cut = false; needed = false;
            c_floor = 0; c_min = 0; c_young = 0; c_split = 0; c_snap[0] = 0; c_snap[1] = 0
        }
    :: installs == INSTALLS && ticks == TICKS -> break
    od;
    done = true
}

/* --- readers ------------------------------------------------------------------------------------------------------ */

proctype reader(byte me) {
    byte s, n, t, sp, at;
    do
    :: s = clock;
       snap[me] = s;
       if
       :: gc_floor <= s -> break
       :: else
       fi
    od;
    do
    :: n < READS ->
        atomic {
            !(committing != 0 && committing <= s); /* whoever is at or below s is waited for */
            n++;
            enter(me);
            t = tid
        }
        if
        :: t <= s -> assert(t == last[s])
        :: else ->
            sp = cap_split;
            if
            :: s <= sp ->
#ifdef BUG_BY_HEAD
                at = head
#else
                if
                :: t > sp -> at = shortcut
                :: else ->
                    at = head;
#ifndef BUG_TID_ONLY
                    if
                    :: atomic { at != NONE -> look_at(at); if :: before[at] > sp -> at = shortcut :: else fi }
                    :: else
                    fi
#endif
                fi
#endif
            :: else -> at = head
            fi;
            do
            :: atomic { at != NONE -> look_at(at); if :: before[at] <= s -> break :: else -> at = prev[at] fi }
            :: else -> break
            od;
            atomic { assert((at == NONE -> 0 : before[at]) == last[s]); at = 0; t = 0; sp = 0 }
        fi;
        leave(me)
    :: n == READS -> break
    od;
    snap[me] = 0
}

/* --- the janitor -------------------------------------------------------------------------------------------------- */

inline lowest_above(sp, floor, out) {
    out = floor;
    if :: n_snap[0] > sp && n_snap[0] != 0 && n_snap[0] < out -> out = n_snap[0] :: else fi;
    if :: n_snap[1] > sp && n_snap[1] != 0 && n_snap[1] < out -> out = n_snap[1] :: else fi
}

inline believe(k) {
    if
    :: n_snap[k] != 0 && n_snap[k] < cap_floor && n_snap[k] != cap_snap[0] && n_snap[k] != cap_snap[1] -> n_snap[k] = 0
    :: else
    fi
}

proctype janitor() {
    byte rounds = 0, floor, drawn, n_snap[READERS], n_min, n_young, i;
    do
    :: rounds < ROUNDS ->
        atomic { rounds++; floor = clock }
        gc_floor = floor;
        atomic {
        drawn = cap_split;
        if
        :: cap_split == 0 -> drawn = floor
        :: cap_split == 0 -> drawn = floor + REACH
        :: true
        fi
        }
        split = drawn; /* seen from here on: the membarrier */
#ifndef BUG_NOT_CERTIFIED
        if
        :: cap_split == 0 && drawn != 0 && clock > drawn -> drawn = 0; split = 0
        :: else
        fi;
#endif
        atomic { n_snap[0] = snap[0]; believe(0) }
        atomic { n_snap[1] = snap[1]; believe(1) }
        atomic {
        lowest_above(0, floor, n_min);
        if
#ifdef BUG_RESET_EARLY
        :: drawn != 0 && floor > drawn -> drawn = 0; split = 0
#else
        :: drawn != 0 && n_min > drawn -> drawn = 0; split = 0
#endif
        :: else
        fi;
        if
        :: drawn == 0 -> n_young = n_min
        :: else -> lowest_above(drawn, floor, n_young)
        fi;
#ifndef BUG_RESET_EARLY
        assert(n_young >= cap_young && n_min >= cap_min);
#endif
        cap_floor = floor; cap_min = n_min; cap_young = n_young; cap_split = drawn;
                 cap_snap[0] = n_snap[0]; cap_snap[1] = n_snap[1]
        }
        dom_min = n_min;
        dom_young = n_young;
        /* grace period */
#ifndef BUG_NO_GRACE
        atomic { awaited[0] = inside[0]; awaited[1] = inside[1]; awaited[2] = inside[2] }
        atomic { !awaited[0] && !awaited[1] && !awaited[2] }
#endif
        atomic { /* collect: nobody else looks at these */
            i = 1;
            do
            :: i <= images ->
                if
                :: state[i] == 1 -> state[i] = 2
                :: state[i] == 0 && over[i] != 0 ->
                    if
                    :: over[i] <= cap_min || unlinked[i] == 2 -> state[i] = 1
                    :: over[i] <= cap_young && ONLY_YOUNG(i) -> state[i] = 1
                    :: else
                    fi
                :: else
                fi;
                if :: unlinked[i] == 1 -> unlinked[i] = 2 :: else fi;
                i++
            :: else -> break
            od;
            i = 0; floor = 0; drawn = 0; n_snap[0] = 0; n_snap[1] = 0; n_min = 0; n_young = 0
        }
    :: rounds == ROUNDS -> break
    :: done -> break
    od
}

init {
    atomic {
        last[1] = 1;
        run writer(); run reader(0); run janitor();
#ifdef TWO
        run reader(1)
#endif
    }
}
