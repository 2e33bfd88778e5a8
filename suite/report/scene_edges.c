/* scene_edges.c - the dependencies of a run of a schedule, worked out from what its steps read and wrote.
 *
 * Versions of a key are its initial value and then what committed transactions wrote, in the order of their commits. A
 * read has seen the newest version of its value that was committed when it was answered. From this follow the edges of
 * Adya (Weak Consistency: A Generalized Theory, 1999, section 3): ww to the next version's writer, wr from a version's
 * writer to its reader, rw from a reader to the next version's writer.
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "report/scene_int.h"

enum { VERSIONS_MAX = SS_TXNS_MAX + 1, NOBODY = -1, PROOF_EDGES = 8 };

struct version {
    int txn;  /* NOBODY: the initial one */
    int step; /* that wrote it */
    int64_t value;
};

struct reader {
    struct sc_scene *scene;
    const struct ss_schedule *schedule;
    const struct ss_run *run;
    const int *answer_row;
    struct version versions[SS_KEYS_MAX][VERSIONS_MAX];
    int version_count[SS_KEYS_MAX];
    bool undone[SS_STEPS_MAX]; /* rolled back */
};

static bool in_range(const struct ss_range *range, unsigned key) {
    return (range->low >= SS_KEYS_MAX || key >= range->low) && (range->high >= SS_KEYS_MAX || key < range->high);
}

/* What the step has written to the key; false: nothing. */
static bool wrote(const struct reader *r, unsigned step, unsigned key, int64_t *value) {
    const struct ss_step *s = &r->schedule->steps[step];
    const struct ss_answer *answer = &r->run->answers[step];
    if (!answer->done || answer->status != VARVE_OK || r->undone[step]) return false;
    *value = answer->written;
    switch (s->verb) {
    case SS_PUT:
    case SS_INSERT:
    case SS_UPDATE:
    case SS_ADD: return s->key == key;
    case SS_DELETE: *value = SS_ABSENT; return s->key == key;
    case SS_DELETE_RANGE: *value = SS_ABSENT; return answer->value > 0 && in_range(&s->range, key);
    default: return false;
    }
}

static void find_undone(struct reader *r) {
    for (unsigned i = 0; i < r->schedule->step_count; i++) {
        const struct ss_step *back = &r->schedule->steps[i];
        if (back->verb != SS_ROLLBACK || !r->run->answers[i].done) continue;
        for (unsigned k = i;
             k > 0 && r->schedule->steps[k - 1].txn == back->txn && r->schedule->steps[k - 1].verb != SS_SAVEPOINT; k--)
            r->undone[k - 1] = true;
    }
}

static void list_versions(struct reader *r) {
    const struct ss_schedule *s = r->schedule;
    for (unsigned key = 0; key < s->key_count; key++) {
        struct version *versions = r->versions[key];
        int count = 0;
        versions[count++] = (struct version){NOBODY, NOBODY, s->initial[key]};
        for (unsigned c = 0; c < r->run->commit_count && c < SS_TXNS_MAX; c++) {
            struct version last = {NOBODY, NOBODY, 0};
            for (unsigned i = 0; i < s->step_count; i++) {
                int64_t value;
                if (s->steps[i].txn == r->run->commit_order[c] && wrote(r, i, key, &value))
                    last = (struct version){s->steps[i].txn, (int)i, value};
            }
            bool deletes_nothing = last.value == SS_ABSENT && versions[count - 1].value == SS_ABSENT;
            if (last.txn != NOBODY && !deletes_nothing) versions[count++] = last;
        }
        r->version_count[key] = count;
    }
}

/* Why one transaction comes before another. */
static void reason(const struct reader *r, struct sc_edge *edge, const char *key, int64_t from, int64_t to) {
    const char *one = r->scene->boxes[r->scene->rows[edge->from_row].box].name;
    const char *other = r->scene->boxes[r->scene->rows[edge->to_row].box].name;
    char *why = edge->why;
    *why = 0;
    if (edge->kind == CK_WR) {
        sc_append(why, SC_TEXT_BYTES, "%s read %s = ", other, key);
        sc_append_value(why, SC_TEXT_BYTES, to);
        sc_append(why, SC_TEXT_BYTES, ", which %s wrote", one);
        return;
    }
    sc_append(why, SC_TEXT_BYTES, "%s %s %s = ", one,
              edge->kind == CK_WW   ? "wrote"
              : edge->kind == CK_RW ? "read"
                                    : "scanned",
              key);
    sc_append_value(why, SC_TEXT_BYTES, from);
    sc_append(why, SC_TEXT_BYTES, ", and %s changed it to ", other);
    sc_append_value(why, SC_TEXT_BYTES, to);
}

static int add(struct reader *r, enum ck_edge_kind kind, int from_step, int to_step, unsigned key, int64_t from,
               int64_t to) {
    struct sc_edge edge = {.from_row = r->answer_row[from_step], .to_row = r->answer_row[to_step], .kind = kind};
    if (edge.from_row == SC_NONE || edge.to_row == SC_NONE) return VARVE_OK;
    sc_edge_label(&edge, r->schedule->keys[key], from, to);
    reason(r, &edge, r->schedule->keys[key], from, to);
    for (int e = 0; e < r->scene->edge_count; e++) { /* the same between the same transactions: once is enough */
        const struct sc_edge *other = &r->scene->edges[e];
        if (other->kind == kind && r->scene->rows[other->from_row].box == r->scene->rows[edge.from_row].box &&
            r->scene->rows[other->to_row].box == r->scene->rows[edge.to_row].box && !strcmp(other->label, edge.label))
            return VARVE_OK;
    }
    return sc_edge_add(r->scene, &edge);
}

/* Which version of the key the step has seen, as an index; NOBODY: none of them, or an own write. */
static int seen_version(const struct reader *r, unsigned step, unsigned key, int64_t value) {
    const struct ss_schedule *s = r->schedule;
    int64_t own;
    for (unsigned i = 0; i < step; i++)
        if (s->steps[i].txn == s->steps[step].txn && wrote(r, i, key, &own)) return NOBODY;
    int newest = NOBODY, any = NOBODY;
    for (int v = 0; v < r->version_count[key]; v++) {
        const struct version *version = &r->versions[key][v];
        if (version->value != value) continue;
        any = any == NOBODY ? v : any;
        if (version->txn == NOBODY || r->run->txns[version->txn].end_event <= r->run->answers[step].ended) newest = v;
    }
    return newest != NOBODY ? newest : any;
}

static int add_read(struct reader *r, unsigned step, unsigned key, int64_t value, bool range) {
    int txn = r->schedule->steps[step].txn, seen = seen_version(r, step, key, value), status = VARVE_OK;
    if (seen == NOBODY) return VARVE_OK;
    const struct version *version = &r->versions[key][seen];
    if (version->txn != NOBODY && version->txn != txn)
        status = add(r, CK_WR, version->step, (int)step, key, version->value, value);
    if (status != VARVE_OK || seen + 1 >= r->version_count[key] || version[1].txn == txn) return status;
    return add(r, range ? CK_RW_RANGE : CK_RW, (int)step, version[1].step, key, value, version[1].value);
}

/* The keys that a scan covers, as far as it went, with what it has seen of each. */
static int add_scan(struct reader *r, unsigned step) {
    const struct ss_step *s = &r->schedule->steps[step];
    const struct ss_answer *answer = &r->run->answers[step];
    int status = VARVE_OK;
    for (unsigned key = 0; key < r->schedule->key_count && status == VARVE_OK; key++) {
        int64_t value = SS_ABSENT;
        bool covered = in_range(&s->range, key);
        for (unsigned i = 0; i < answer->row_count && i < SS_ROWS_MAX; i++)
            if (answer->rows[i].key == key) value = answer->rows[i].value;
        if (s->range.limit && answer->row_count >= s->range.limit) {
            unsigned last = answer->rows[answer->row_count - 1].key;
            covered &= s->range.reverse ? key >= last : key <= last;
        }
        if (covered) status = add_read(r, step, key, value, true);
    }
    return status;
}

static int add_step(struct reader *r, unsigned step) {
    const struct ss_step *s = &r->schedule->steps[step];
    const struct ss_answer *answer = &r->run->answers[step];
    if (!answer->done || s->txn >= SS_TXNS_MAX || !r->run->txns[s->txn].committed) return VARVE_OK;
    switch (s->verb) {
    case SS_GET:
    case SS_GET_FOR_UPDATE: return add_read(r, step, s->key, answer->value, false);
    case SS_HAS: return answer->value == SS_ABSENT ? add_read(r, step, s->key, SS_ABSENT, false) : VARVE_OK;
    case SS_NEXT:
        return answer->status == VARVE_OK ? add_read(r, step, answer->next_key, answer->value, true) : VARVE_OK;
    case SS_SCAN: return add_scan(r, step);
    default: return VARVE_OK;
    }
}

static int add_overwrites(struct reader *r) {
    int status = VARVE_OK;
    for (unsigned key = 0; key < r->schedule->key_count; key++)
        for (int v = 1; v + 1 < r->version_count[key] && status == VARVE_OK; v++) {
            const struct version *old = &r->versions[key][v];
            status = add(r, CK_WW, old->step, old[1].step, key, old->value, old[1].value);
        }
    return status;
}

/* Edges that are on no cycle are minor, where there is a cycle. */
static void find_cycles(struct sc_scene *scene) {
    bool reaches[SC_BOXES_MAX][SC_BOXES_MAX] = {{false}}, cyclic = false;
    for (int e = 0; e < scene->edge_count; e++)
        reaches[scene->rows[scene->edges[e].from_row].box][scene->rows[scene->edges[e].to_row].box] = true;
    for (int k = 0; k < scene->box_count; k++)
        for (int i = 0; i < scene->box_count; i++)
            for (int j = 0; j < scene->box_count; j++) reaches[i][j] |= reaches[i][k] && reaches[k][j];
    for (int i = 0; i < scene->box_count; i++) cyclic |= reaches[i][i];
    scene->on_cycle = cyclic;
    for (int e = 0; e < scene->edge_count && cyclic; e++) {
        struct sc_edge *edge = &scene->edges[e];
        edge->minor = !reaches[scene->rows[edge->to_row].box][scene->rows[edge->from_row].box];
    }
}

/* One line for each edge of the cycle. */
static void append_proof(struct sc_scene *scene) {
    unsigned cycle = 0;
    for (int e = 0; e < scene->edge_count; e++) cycle += !scene->edges[e].minor && scene->on_cycle;
    if (!cycle || cycle > PROOF_EDGES) return;
    if (*scene->proof) sc_append(scene->proof, sizeof scene->proof, "\n");
    for (int e = 0; e < scene->edge_count; e++)
        if (!scene->edges[e].minor)
            sc_append(scene->proof, sizeof scene->proof, "%s before %s: %s\n",
                      scene->boxes[scene->rows[scene->edges[e].from_row].box].name,
                      scene->boxes[scene->rows[scene->edges[e].to_row].box].name, scene->edges[e].why);
    sc_append(scene->proof, sizeof scene->proof, "so no order of them, one after another, gives these answers");
}

int sc_run_edges(struct sc_scene *scene, const struct ss_schedule *schedule, const struct ss_run *run,
                 const int *answer_row) {
    struct reader r = {.scene = scene, .schedule = schedule, .run = run, .answer_row = answer_row};
    int status = VARVE_OK;
    find_undone(&r);
    list_versions(&r);
    for (unsigned i = 0; i < schedule->step_count && status == VARVE_OK; i++) status = add_step(&r, i);
    if (status == VARVE_OK) status = add_overwrites(&r);
    if (status == VARVE_OK) {
        find_cycles(scene);
        append_proof(scene);
    }
    return status;
}
