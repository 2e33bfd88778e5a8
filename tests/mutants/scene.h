/* scene.h - a few transactions on fibres of one thread, switched by a script that may stop one of them inside an
 * operation, at a place of src/core/points.h; and the judge of what came out.
 *
 * A scene is exact: the same script gives the same run. Its judge knows nothing of the engine: the committed transactions
 * must have a serial order that gives what each of them read and the rows at the end, nobody waits at the end, and no
 * lock is left. So a scene that holds in the engine as it is fails when a planted bug lets the script break it.
 *
 * Program of a session: operations apart by "; "
 *     b [rc|rr|si|ser] [ro] [old]    begin; the default is ser; old: under locks, older than all others
 *     r K, g K, has K                get, get for update, contains
 *     w K V, i K V, u K V, d K       put, insert, update, delete; a value #N is the number N in eight bytes
 *     + K N                          add
 *     s LOW HIGH, rs LOW HIGH        scan [LOW,HIGH), forwards or backwards; - is an open end
 *     o LOW HIGH, n                  open a cursor, its next row
 *     sp, rb                         savepoint, rollback to it
 *     c, a                           commit, abort
 *     gc                             a round of the janitor, beside what others are in the middle of
 * Script: words apart by blanks
 *     1            session 1 goes on to its end
 *     1:3          three operations of session 1
 *     1@POINT      session 1 goes on until it comes to that place
 *     1@POINT#2    until it comes there for the second time
 *     gc           four rounds of the janitor
 * A session that waits gives its turn up at once. After the script all go on by turns until they have ended.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef VARVE_TESTS_MUTANTS_SCENE_H
#define VARVE_TESTS_MUTANTS_SCENE_H

enum { SC_SESSIONS = 4 };

struct scene {
    const char *name;
    const char *schemes; /* "mvcc occ" */
    const char *init;    /* "x=0 y=0" */
    const char *programs[SC_SESSIONS];
    const char *script;
    /* Answers, a session each (NULL: any), that must not come together; judged beside the serial order. For levels at
     * which the order alone says nothing, where `never_only` is set. */
    const char *never[SC_SESSIONS];
    int never_only, all_commit;
    const char *options; /* more options of the database, with a comma before: ",deadlock=detect" */
    int durable;         /* in files; what is there when all have ended is opened once more and must be the same */
};

/* NULL: it holds; else what was wrong, in a buffer that lives until the next call. */
const char *scene_run(const struct scene *scene, const char *scheme);

#endif
