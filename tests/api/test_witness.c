/* test_witness.c - the catalogue of anomalies as one-line schedules, with what each scheme and level owes: an anomaly
 * forbidden must not happen, and one permitted must be shown, for a level that never shows what it permits is
 * mislabelled, or its test is weak.
 *
 * A schedule is a line of steps, each the number of a transaction and one operation:
 *     1rx=0   get x gives 0 (- = absent)       1wx=1   put            1c   commit
 *     1gx=0   get_for_update                   1ix=1   insert         1a   abort
 *     1Ex=0   contains                         1ux=1   update         1b   begin; else at the first step
 *     1sa-m={b:1,c:2}  scan [a,m)              1dx     delete         1p   savepoint
 *     1Da-m=2 delete_range, and how many                              1q   back to it
 * The anomaly has happened when every step gave what is written; any other answer, and any refusal, prevents it.
 * x, y and z hold 0 at the start unless the row says otherwise; other keys are absent.
 *
 * One thread runs a schedule, so locks that would wait are refused (deadlock=no_wait). The verdicts are those of the
 * guarantee matrix, levels in the order read committed, repeatable read, snapshot, serializable:
 *     X never   w shown   . either
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

#include "support/testdb.h"

enum { TXNS = 5, JUDGED_LEVELS = 4, ANSWER_BYTES = 128 };

struct row {
    const char *id;
    const char *initial;
    const char *schedule;
    const char *verdict[TD_SCHEMES]; /* mvcc, 2pl, occ */
};

static const char xyz[] = "x:0,y:0,z:0";

static const struct row rows[] = {
    {"A1 dirty write", xyz, "1wx=1 2wx=2 2wy=2 2c 1wy=1 1c 3rx=2 3ry=1 3c", {"XXXX", "XXXX", "XXXX"}},
    {"A2 aborted read", xyz, "1wx=1 2rx=1 1a 2c", {"XXXX", "XXXX", "XXXX"}},
    {"A2 aborted read by scan", xyz, "1wb=1 2sa-m={b:1} 1a 2c", {"XXXX", "XXXX", "XXXX"}},
    {"A2 rolled-back read", xyz, "1p 1wx=1 1q 2rx=1 2c 1c", {"XXXX", "XXXX", "XXXX"}},
    {"A3 intermediate read", xyz, "1wx=1 2rx=1 1wx=2 1c 2c", {"XXXX", "XXXX", "XXXX"}},
    {"A4 circular information flow", xyz, "1wx=1 2wy=1 1ry=1 2rx=1 1c 2c", {"XXXX", "XXXX", "XXXX"}},
    {"A5 dirty update", xyz, "1wx=1 2rx=1 2wx=2 1a 2c", {"XXXX", "XXXX", "XXXX"}},
    {"A6 own insert missed", xyz, "1wb=1 1sa-m={} 1c", {"XXXX", "XXXX", "XXXX"}},
    {"A6 own delete missed", xyz, "1dx 1sx-y={x:0} 1c", {"XXXX", "XXXX", "XXXX"}},
    {"A6 own first write read", xyz, "1wx=1 1wx=2 1rx=1 1c", {"XXXX", "XXXX", "XXXX"}},
    {"A8 rollback leaves something", xyz, "1wx=1 1p 1wy=1 1q 1c 2ry=1 2c", {"XXXX", "XXXX", "XXXX"}},
    {"A8 rollback takes too much", xyz, "1wx=1 1p 1wx=2 1q 1c 2rx=0 2c", {"XXXX", "XXXX", "XXXX"}},
    {"B1 observed transaction vanishes", xyz, "3rz=0 2wx=2 2wy=2 2c 3rx=2 3ry=0 3c", {"XXXX", "XXXX", "XXXX"}},
    {"B2 fractured read", xyz, "1ry=0 2wx=1 2wy=1 2c 1rx=1 1c", {"wXXX", "wXXX", "wXXX"}},
    {"B4 fuzzy read", xyz, "1rx=0 2wx=1 2c 1rx=1 1c", {"wXXX", "wXXX", "wXXX"}},
    {"B4 absent, then there", xyz, "1rp=- 2wp=1 2c 1rp=1 1c", {"wXXX", "wXXX", "wXXX"}},
    {"B4 there, then absent", xyz, "1rx=0 2dx 2c 1rx=- 1c", {"wXXX", "wXXX", "wXXX"}},
    {"B4 a row of a scan", xyz, "1sx-y={x:0} 2wx=1 2c 1rx=1 1c", {"wXXX", "wXXX", "wXXX"}},
    {"B5 phantom", xyz, "1sa-m={} 2wb=1 2c 1sa-m={b:1} 1c", {"w.XX", "wwXX", "wwXX"}},
    {"B5 phantom gone", "b:1,x:0", "1sa-m={b:1} 2db 2c 1sa-m={} 1c", {"wXXX", "wXXX", "wXXX"}},
    {"B6 predicates of two states", xyz, "1sa-d={} 2wb=1 2c 1sb-m={b:1} 1c", {"w.XX", "wwXX", "wwXX"}},
    {"B7 delete of a range not read", "b:1", "1sa-m={b:1} 2wc=1 2c 1Da-m=2 1c", {"w.XX", "wwXX", "wwXX"}},
    {"B8 read skew", xyz, "1rx=0 2wx=1 2wy=1 2c 1ry=1 1c", {"wXXX", "wXXX", "wXXX"}},
    {"B9 read skew with a range", xyz, "1sa-m={} 2wb=1 2wn=1 2c 1rn=1 1c", {"w.XX", "wwXX", "wwXX"}},
    {"B10 long fork", xyz, "4rx=0 3rz=0 1wx=1 1c 3rx=1 3ry=0 2wy=1 2c 4ry=1 3c 4c", {".XXX", ".XXX", ".XXX"}},
    {"B12 moving snapshot", xyz, "1rx=0 2wy=1 2c 1ry=1 1c", {"w.X.", "w...", "w..."}},
    {"C1 lost update", xyz, "1rx=0 2rx=0 1wx=1 1c 2wx=2 2c", {"wXXX", "wXXX", "wXXX"}},
    {"C1 lost update, for update", xyz, "1gx=0 2gx=0 1wx=1 1c 2wx=2 2c", {"XXXX", "XXXX", "XXXX"}},
    {"C1 one of two for update", xyz, "1rx=0 2gx=0 2wx=2 2c 1wx=1 1c", {"wXXX", "wXXX", "wXXX"}},
    {"C3 double create", xyz, "1ik=1 2ik=2 1c 2c", {"XXXX", "XXXX", "XXXX"}},
    {"C3 update of a row gone", xyz, "1ux=1 2dx 2c 1c", {"XXXX", "XXXX", "XXXX"}},
    {"C3 double delete", xyz, "1dx 2dx 2c 1c", {"XXXX", "XXXX", "XXXX"}},
    {"C4 resurrection", xyz, "1rx=0 2dx 2c 1wx=1 1c", {"wXXX", "wXXX", "wXXX"}},
    {"D1 write skew", xyz, "1rx=0 1ry=0 2rx=0 2ry=0 1wx=1 2wy=1 1c 2c", {"wXwX", "wXXX", "wXXX"}},
    {"D1 write skew, read by scan", xyz, "1sx-z={x:0,y:0} 2sx-z={x:0,y:0} 1wx=1 2wy=1 1c 2c", {"wXwX", "wXXX", "wXXX"}},
    {"D2 predicate skew", xyz, "1sa-m={} 2sm-z={x:0,y:0} 1wn=1 2wb=1 1c 2c", {"w.wX", "wwXX", "wwXX"}},
    {"D3 absent-key skew", xyz, "1rp=- 2rq=- 1wq=1 2wp=1 1c 2c", {"wXwX", "wXXX", "wXXX"}},
    {"D4 delete skew", xyz, "1rx=0 1ry=0 2rx=0 2ry=0 1dx 2dy 1c 2c", {"wXwX", "wXXX", "wXXX"}},
    {"D5 read-only anomaly", xyz, "2rx=0 2ry=0 1ry=0 1wy=20 1c 3rx=0 3ry=20 3c 2wx=9 2c", {"wXwX", "wXXX", "wXXX"}},
    {"D6 ring of three", xyz, "1rx=0 2ry=0 3rz=0 1wy=1 2wz=1 3wx=1 1c 2c 3c", {"wXwX", "wXXX", "wXXX"}},
    {"D7 late edge", xyz, "2ry=0 1rx=0 1wy=1 1c 2wx=1 2c", {"wXwX", "wXXX", "wXXX"}},
    {"D8 intersecting sums", "a:10,g:3", "1sa-f={a:10} 2sf-m={g:3} 1wh=30 2wc=3 2c 1c", {"w.wX", "wwXX", "wwXX"}},
    {"D9 mixed-path cycle", xyz, "1rx=0 2wx=1 2c 3rx=1 3ry=0 3wz=1 3c 1wy=1 1c", {"wXwX", "wXXX", "wXXX"}},
    {"D9 reads rolled back still count", xyz, "1p 1rx=0 1q 2ry=0 2wx=1 2c 1wy=1 1c", {"wXwX", "wXXX", "wXXX"}},
    {"D9 insert rolled back still counts", xyz, "1p 1ik=1 1q 2ry=0 2ik=2 2c 1wy=1 1c", {"wXwX", ".XXX", "wXXX"}},
    {"D9 delete rolled back still counts", xyz, "1p 1dx 1q 2ry=0 2dx 2c 1wy=1 1c", {"wXwX", ".XXX", "wXXX"}},
    {"D9 update rolled back still counts", xyz, "1p 1ux=1 1q 2ry=0 2dx 2c 1wy=1 1c", {"wXwX", ".XXX", "wXXX"}},
    {"E1 own commit missed", xyz, "1wx=1 1c 2rx=0 2c", {"XXXX", "XXXX", "XXXX"}},
    {"E3 causal reverse", xyz, "1wx=1 1c 2wy=1 2c 3ry=1 3rx=0 3c", {"XXXX", "XXXX", "XXXX"}},
    {"a serial pair must pass", xyz, "1rx=0 1wx=1 1c 2rx=1 2wx=2 2c 3rx=2 3c", {"wwww", "wwww", "wwww"}},
    {"own writes must be seen", xyz, "1wb=1 1dx 1sa-z={b:1,y:0} 1ik=5 1rk=5 1uk=6 1rk=6 1c", {"wwww", "wwww", "wwww"}},
    {"strangers must pass", xyz, "1rx=0 2ry=0 1wx=1 2wy=1 1c 2c 3rx=1 3ry=1 3c", {"wwww", "wwww", "wwww"}},
    {"existence is enough", xyz, "1Ex=0 2wx=5 2c 1wy=1 1c", {"wwww", "....", "wwww"}},
    {"existence skew", xyz, "1Ex=0 2Ey=0 1dy 2dx 1c 2c", {"wXwX", "wXXX", "wXXX"}},
};

struct stage {
    varve_db *db;
    varve_table *table;
    varve_isolation level;
    varve_txn *txns[TXNS];
    unsigned marks[TXNS];
};

/* --- one step ----------------------------------------------------------------------------------------------- */

static varve_slice letter(const char *at) {
    return VARVE_SLICE(at, 1);
}

static void say(char answer[ANSWER_BYTES], int status, varve_slice value) {
    if (status == VARVE_OK)
        snprintf(answer, ANSWER_BYTES, "%.*s", (int)value.size, (const char *)value.data);
    else
        snprintf(answer, ANSWER_BYTES, "%s", status == VARVE_NOTFOUND ? "-" : varve_status_name(status));
}

/* "a-m" as a range over the text of the step, which outlives the call. */
static varve_range range_at(const char *text) {
    varve_range range;
    memset(&range, 0, sizeof range);
    range.low = letter(text);
    range.high = letter(text + 2);
    return range;
}

static void scan(struct stage *stage, varve_txn *txn, const char *text, char answer[ANSWER_BYTES]) {
    varve_range range = range_at(text);
    varve_cursor *cursor;
    varve_slice key, value;
    size_t at = 1;
    int status = varve_cursor_open(txn, stage->table, &range, &cursor);
    snprintf(answer, ANSWER_BYTES, "{");
    if (status == VARVE_OK) {
        while ((status = varve_cursor_next(cursor, &key, &value)) == VARVE_OK)
            at += (size_t)snprintf(answer + at, ANSWER_BYTES - at, "%s%.*s:%.*s", at > 1 ? "," : "", (int)key.size,
                                   (const char *)key.data, (int)value.size, (const char *)value.data);
        varve_cursor_close(cursor);
    }
    snprintf(answer + at, ANSWER_BYTES - at, "%s", status == VARVE_END ? "}" : varve_status_name(status));
}

static int write_step(struct stage *stage, varve_txn *txn, const char *step, varve_slice value) {
    varve_slice key = letter(step + 2);
    switch (step[1]) {
    case 'w':
        return varve_put(txn, stage->table, key, value);
    case 'i':
        return varve_insert(txn, stage->table, key, value);
    case 'u':
        return varve_update(txn, stage->table, key, value);
    default:
        return varve_delete(txn, stage->table, key);
    }
}

static int end_step(struct stage *stage, unsigned number, char kind) {
    varve_txn *txn = stage->txns[number];
    switch (kind) {
    case 'p':
        return varve_savepoint(txn, &stage->marks[number]);
    case 'q':
        return varve_rollback_to(txn, stage->marks[number]);
    case 'b':
        return VARVE_OK;
    default:
        break;
    }
    stage->txns[number] = NULL;
    if (kind == 'c')
        return varve_commit(txn);
    varve_abort(txn);
    return VARVE_OK;
}

/* Does the step and says whether it gave what is written. */
static bool step_happens(struct stage *stage, const char *step) {
    unsigned number = (unsigned)(step[0] - '0');
    const char *wanted = strchr(step, '=');
    char answer[ANSWER_BYTES] = "";
    varve_slice value = {NULL, 0};
    uint64_t count = 0;
    int status;
    if (stage->txns[number] == NULL)
        stage->txns[number] = td_begin(stage->db, stage->level);
    varve_txn *txn = stage->txns[number];
    varve_range range = range_at(step + 2);
    switch (step[1]) {
    case 'r':
        status = varve_get(txn, stage->table, letter(step + 2), &value);
        say(answer, status, value);
        break;
    case 'g':
        status = varve_get_for_update(txn, stage->table, letter(step + 2), &value);
        say(answer, status, value);
        break;
    case 'E':
        status = varve_contains(txn, stage->table, letter(step + 2));
        snprintf(answer, sizeof answer, "%s", status == VARVE_OK ? "0" : varve_status_name(status));
        break;
    case 's':
        scan(stage, txn, step + 2, answer);
        break;
    case 'D':
        status = varve_delete_range(txn, stage->table, &range, &count);
        snprintf(answer, sizeof answer, "%s%llu", status == VARVE_OK ? "" : varve_status_name(status),
                 (unsigned long long)count);
        break;
    case 'w':
    case 'i':
    case 'u':
    case 'd':
        status = write_step(stage, txn, step, wanted == NULL ? value : td_str(wanted + 1));
        td_trace("%s -> %s", step, varve_status_name(status));
        return status == VARVE_OK;
    default:
        status = end_step(stage, number, step[1]);
        td_trace("%s -> %s", step, varve_status_name(status));
        return status == VARVE_OK;
    }
    td_trace("%s -> %s", step, answer);
    return wanted != NULL && strcmp(wanted + 1, answer) == 0;
}

/* --- a row -------------------------------------------------------------------------------------------------- */

static void prepare(struct stage *stage, const char *initial) {
    char key[2] = "?", value[8];
    for (const char *at = initial; *at != '\0'; at += strcspn(at, ",")) {
        at += *at == ',' ? 1 : 0;
        key[0] = at[0];
        snprintf(value, sizeof value, "%d", atoi(at + 2));
        td_store(stage->db, stage->table, key, value);
    }
}

static bool anomaly_happens(const struct row *row, const char *cc, varve_isolation level) {
    struct stage stage;
    char schedule[256], *rest = schedule, *step;
    bool happens = true;
    memset(&stage, 0, sizeof stage);
    stage.level = level;
    stage.db = td_open(":memory:", "cc=%s,deadlock=no_wait,lock_timeout_ms=5", cc);
    stage.table = td_table(stage.db, "t");
    prepare(&stage, row->initial);
    snprintf(schedule, sizeof schedule, "%s", row->schedule);
    while (happens && (step = strsep(&rest, " ")) != NULL)
        happens = step_happens(&stage, step);
    for (unsigned i = 0; i < TXNS; i++)
        if (stage.txns[i] != NULL)
            varve_abort(stage.txns[i]);
    td_close(stage.db);
    return happens;
}

static unsigned judge_row(const struct row *row, unsigned cc) {
    static const varve_isolation levels[JUDGED_LEVELS] = {VARVE_READ_COMMITTED, VARVE_REPEATABLE_READ, VARVE_SNAPSHOT,
                                                          VARVE_SERIALIZABLE};
    unsigned wrong = 0;
    for (unsigned i = 0; i < JUDGED_LEVELS; i++) {
        td_trace_clear();
        td_context("%s: %s, %s", row->id, td_schemes[cc], td_level_name(levels[i]));
        bool happens = anomaly_happens(row, td_schemes[cc], levels[i]);
        char verdict = row->verdict[cc][i];
        if (verdict == '.' || happens == (verdict == 'w'))
            continue;
        fprintf(stderr, "%s: %s, %s: %s\n    %s\n", row->id, td_schemes[cc], td_level_name(levels[i]),
                happens ? "happens, and must not" : "must be shown, and is prevented", row->schedule);
        wrong++;
    }
    return wrong;
}

static void judge_scheme(unsigned cc) {
    unsigned wrong = 0;
    if (!td_scheme_wanted(td_schemes[cc]))
        return;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        wrong += judge_row(&rows[i], cc);
    assert_int_equal(wrong, 0);
}

static void mvcc_keeps_its_levels(void **state) {
    (void)state;
    judge_scheme(0);
}

static void two_phase_locking_keeps_its_levels(void **state) {
    (void)state;
    judge_scheme(1);
}

static void occ_keeps_its_levels(void **state) {
    (void)state;
    judge_scheme(2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mvcc_keeps_its_levels),
        cmocka_unit_test(two_phase_locking_keeps_its_levels),
        cmocka_unit_test(occ_keeps_its_levels),
    };
    td_watchdog(120);
    return cmocka_run_group_tests_name("witness", tests, NULL, NULL);
}
