/* show.c - one interleaving at one pair, event by event: who did what, who waited for whom, what came out.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "report/matrix_int.h"

enum { STEP_WIDTH = 30, INDENT = 2 };

static void print_value(FILE *out, int64_t value) {
    if (value == SS_ABSENT)
        fputs("absent", out);
    else
        fprintf(out, "%lld", (long long)value);
}

static const char *status_text(int status) {
    if (status == VARVE_OK) return "ok";
    const char *name = varve_status_name(status);
    return strncmp(name, "VARVE_", 6) == 0 ? name + 6 : name;
}

static const char *reason_text(unsigned reason) {
    static const char *const texts[] = {
        [VARVE_REASON_NONE] = "",
        [VARVE_REASON_WRITE_WRITE] = "first committer wins",
        [VARVE_REASON_READ] = "a row read has changed",
        [VARVE_REASON_PHANTOM] = "a range read has changed",
        [VARVE_REASON_STALE] = "its snapshot is too old to write on",
        [VARVE_REASON_PRECONDITION] = "a row came or went",
        [VARVE_REASON_WOUNDED] = "wounded by an older one",
        [VARVE_REASON_DIED] = "gave way at a lock",
        [VARVE_REASON_CYCLE] = "part of a cycle",
        [VARVE_REASON_LOCK_TIMEOUT] = "waited too long",
        [VARVE_REASON_CONSTRAINT] = "a declared rule",
    };
    return reason < sizeof texts / sizeof *texts && texts[reason] != NULL ? texts[reason] : "";
}

static void print_rows(FILE *out, const struct ss_schedule *schedule, const struct ss_answer *answer) {
    fputc('{', out);
    for (unsigned i = 0; i < answer->row_count; i++) {
        unsigned key = answer->rows[i].key;
        fprintf(out, "%s%s=", i != 0 ? ", " : "", key < schedule->key_count ? schedule->keys[key] : "?");
        print_value(out, answer->rows[i].value);
    }
    fputc('}', out);
}

static void print_answer(FILE *out, const struct ss_schedule *schedule, const struct ss_step *step,
                         const struct ss_answer *answer) {
    bool plain = answer->status == VARVE_OK || answer->status == VARVE_NOTFOUND || answer->status == VARVE_END;
    if (!plain) {
        fputs(status_text(answer->status), out);
        if (answer->reason != 0) fprintf(out, ", %s", reason_text(answer->reason));
        return;
    }
    switch (step->verb) {
    case SS_GET:
    case SS_GET_FOR_UPDATE: print_value(out, answer->value); return;
    case SS_HAS: fputs(answer->value == SS_ABSENT ? "absent" : "there", out); return;
    case SS_SCAN: print_rows(out, schedule, answer); return;
    case SS_DELETE_RANGE: fprintf(out, "%lld rows", (long long)answer->value); return;
    case SS_NEXT:
        if (answer->next_key < schedule->key_count) {
            fprintf(out, "%s=", schedule->keys[answer->next_key]);
            print_value(out, answer->value);
            return;
        }
        fputs("end", out);
        return;
    default: fputs(status_text(answer->status), out);
    }
}

static void print_step(FILE *out, const struct ss_step *step) {
    char name[16];
    snprintf(name, sizeof name, "s%u.%u", step->session + 1u, step->number + 1u);
    fprintf(out, "%*s%-6s%*s%-*s", INDENT, "", name, step->session * 4, "", STEP_WIDTH - step->session * 4, step->text);
}

static void print_event(FILE *out, const struct ss_schedule *schedule, const struct ss_run *run,
                        const struct st_event *event) {
    static const char *const waits[] = {"", "a lock", "a gap", "", "its turn"};
    const struct ss_step *step = &schedule->steps[event->step];
    if (event->kind == ST_EVENT_START || event->kind == ST_EVENT_WAKE) return;
    print_step(out, step);
    if (event->kind == ST_EVENT_WAIT) {
        fprintf(out, " waits for %s", event->wait < 5 ? waits[event->wait] : "");
        if (event->on >= 0) fprintf(out, " of s%u", event->on + 1u);
    } else if (event->kind == ST_EVENT_STUCK) {
        fputs(" waits for ever", out);
    } else {
        fputs(" -> ", out);
        print_answer(out, schedule, step, &run->answers[event->step]);
    }
    fputc('\n', out);
}

static void print_ends(FILE *out, const struct ss_schedule *schedule, const struct ss_run *run) {
    fputs("transactions:", out);
    for (unsigned i = 0, seen = 0; i < schedule->step_count; i++) {
        unsigned t = schedule->steps[i].txn;
        if (t >= SS_TXNS_MAX || (seen >> t & 1) != 0 || !run->txns[t].begun) continue;
        seen |= 1u << t;
        const struct ss_txn_end *end = &run->txns[t];
        fprintf(out, " s%u %s", schedule->steps[i].session + 1u,
                end->committed ? "committed" : end->status == VARVE_OK ? "aborted" : status_text(end->status));
        fputs(t + 1 < schedule->txn_count ? "," : "", out);
    }
    fputs("\nrows:", out);
    for (unsigned k = 0; k < schedule->key_count; k++) {
        if (run->final[k] == SS_ABSENT) continue;
        fprintf(out, " %s=%lld", schedule->keys[k], (long long)run->final[k]);
    }
    fputc('\n', out);
}

static void print_verdict(FILE *out, const struct ss_run *run, const struct sr_verdict *verdict,
                          enum sr_demand demand) {
    static const char *const demands[] = {"", ", and never may here", ", as it may here", ""};
    if (verdict->anomaly)
        fprintf(out, "verdict: the anomaly has happened%s\n", demands[demand]);
    else
        fputs("verdict: the anomaly has not happened", out);
    const char *before = ": ";
    for (unsigned way = 0; way < SR_WAYS && !verdict->anomaly; way++) {
        if ((verdict->ways >> way & 1) == 0) continue;
        fprintf(out, "%s%s", before, sr_way_name((enum sr_way)way));
        before = ", ";
    }
    if (!verdict->anomaly) fputc('\n', out);
    if (verdict->needless != 0) fprintf(out, "needless: %u refused, though all would have been serial\n", verdict->needless);
    if (verdict->mismatch || verdict->disagreed) fprintf(out, "judge: %s\n", verdict->text);
    if (run->hang) fputs("hang: a step waits for ever\n", out);
    if (run->note[0] != 0) fprintf(out, "note: %s\n", run->note);
}

static int play(FILE *out, struct st_stage *stage, const struct ss_schedule *schedule, uint64_t n,
                const struct st_options *options) {
    struct ss_run run;
    struct sr_verdict verdict;
    struct sr_judge *judge;
    struct sr_pair pair = {.asked = options->level, .served = st_served(stage)};
    uint8_t order[SS_STEPS_MAX];
    unsigned line = 0, count;
    snprintf(pair.scheme, sizeof pair.scheme, "%s", options->scheme);
    ss_interleaving(schedule, n, order);
    int status = sr_judge_open(&judge);
    if (status == VARVE_OK) status = st_run(stage, schedule, order, &run);
    struct sr_subject subject = {stage, schedule, order, &run, &pair};
    if (status == VARVE_OK) status = sr_judge_run(judge, &subject, &verdict);
    sr_judge_close(judge);
    if (status != VARVE_OK) return status;
    fprintf(out, "%s %s/%llu, %s, asked %s, served %s\n%s\n", schedule->id, schedule->name, (unsigned long long)n,
            pair.scheme, ss_level_name(pair.asked), ss_level_name(pair.served), schedule->about);
    const struct st_event *events = st_events(stage, &count);
    for (unsigned i = 0; i < count; i++) print_event(out, schedule, &run, &events[i]);
    print_ends(out, schedule, &run);
    print_verdict(out, &run, &verdict, sr_demand_of(schedule, &pair, &line));
    return VARVE_OK;
}

int sr_show(FILE *out, const struct ss_schedule *schedule, uint64_t interleaving, const struct st_options *options,
            char *error, size_t error_bytes) {
    struct st_stage *stage;
    uint64_t all = ss_interleavings(schedule);
    if (interleaving >= all) {
        snprintf(error, error_bytes, "%s has %llu interleavings, counted from 0", schedule->name,
                 (unsigned long long)all);
        return VARVE_INVALID;
    }
    int status = st_open(options, &stage, error, error_bytes);
    if (status != VARVE_OK) return status;
    status = play(out, stage, schedule, interleaving, options);
    if (status != VARVE_OK) snprintf(error, error_bytes, "%s", varve_strerror(status));
    st_close(stage);
    return status;
}
