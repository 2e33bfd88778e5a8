/* check_print.c - what `varve check` found, as text and as JSON.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check_cmd.h"
#include "report/picture.h"

static const char *const verdicts[] = {[CK_OK] = "ok", [CK_VIOLATION] = "violation", [CK_UNKNOWN] = "unknown"};
static const char *const edges[6] = {"ww", "wr", "rw", "rw-range", "real-time", "session"};

const char *check_level_name(varve_isolation level) {
    static const char *const names[] = {"serializable",    "read-uncommitted", "read-committed",
                                        "repeatable-read", "snapshot",         "serializable"};
    return names[(unsigned)level <= VARVE_SERIALIZABLE ? level : 0];
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static unsigned terminal_columns(void) {
    struct winsize size;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
    return 100;
}

static void print_finding(const struct check_result *r) {
    const struct ck_finding *finding = &r->report->finding;
    printf("violation: %s\n", ck_anomaly_name(finding->anomaly));
    printf("  %s\n", ck_anomaly_about(finding->anomaly));
    printf("  forbidden from %s on\n\n", check_level_name(ck_anomaly_level(finding->anomaly)));
    /* The picture ends in the proof. */
    if (sp_text(stdout, r->history, finding, terminal_columns()) != VARVE_OK) printf("%s\n", finding->proof);
    putchar('\n');
}

static bool any_level(const struct hs_history *h) {
    for (size_t i = 0; i < h->txn_count; i++)
        if (h->txns[i].level != 0) return true;
    return false;
}

static void print_looked_at(const struct check_result *r) {
    const struct ck_report *report = r->report;
    const struct ck_options *options = &r->ask->options;
    printf("looked at: %" PRIu64 " committed, %" PRIu64 " aborted, %" PRIu64 " of unknown outcome; %" PRIu64
           " reads, %" PRIu64 " writes, %" PRIu64 " scans\n",
           report->committed, report->aborted, report->undecided, report->reads, report->writes, report->scans);
    const char *level = check_level_name(options->level);
    if (!options->no_own_level && any_level(r->history))
        printf("judged at: the level each ran at, %s where none is recorded", level);
    else
        printf("judged at: %s", level);
    printf("%s%s\n",
           !options->strict    ? ""
           : r->history->timed ? ", in real-time order"
                               : "; real time is not known",
           !options->sessions       ? ""
           : r->history->by_session ? ", in session order"
                                    : "; sessions are not known");
}

static void print_passes(const struct check_result *r) {
    const struct ck_report *report = r->report;
    uint64_t all = 0;
    for (unsigned i = 0; i < 6; i++) all += report->edges[i];
    if (all != 0) {
        printf("edges:");
        for (unsigned i = 0; i < 6; i++)
            if (report->edges[i] != 0) printf(" %" PRIu64 " %s", report->edges[i], edges[i]);
        putchar('\n');
    }
    printf("passes: %s %.1f ms", r->ask->make != 0 ? "making" : "reading", (double)r->read_ns / 1e6);
    for (unsigned i = 0; i < report->pass_count; i++)
        printf(", %s %.1f ms", report->passes[i].name, (double)report->passes[i].ns / 1e6);
    printf("\nmemory: %.1f MB of history (%" PRIu64 " bytes a transaction), %.1f MB to judge it\n",
           (double)r->history_bytes / 1e6, r->txns == 0 ? 0 : r->history_bytes / r->txns,
           (double)report->memory_bytes / 1e6);
}

void check_print_text(const struct check_result *r) {
    const struct ck_report *report = r->report;
    if (r->ask->quiet) {
        bool found = report->verdict == CK_VIOLATION;
        printf("%s%s%s\n", verdicts[report->verdict], found ? ": " : "",
               found ? ck_anomaly_name(report->finding.anomaly) : "");
        return;
    }
    if (report->verdict == CK_VIOLATION)
        print_finding(r);
    else if (report->verdict == CK_UNKNOWN)
        printf("unknown: neither a violation nor its absence could be shown\n  %s\n\n", report->unknown);
    else
        printf("ok: the history is one that the level allows\n\n");
    print_looked_at(r);
    print_passes(r);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void json_text(const char *text) {
    putchar('"');
    for (; *text != 0; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < ' ')
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void json_value(int64_t value) {
    if (value == HS_ABSENT)
        fputs("null", stdout);
    else
        printf("%" PRId64, value);
}

static void json_edge(const struct hs_history *h, const struct ck_edge *edge) {
    char key[80];
    printf("{\"from\":%" PRIu32 ",\"to\":%" PRIu32 ",\"kind\":\"%s\"", edge->from, edge->to, edges[edge->kind]);
    if (edge->key != HS_OPEN && edge->key < h->key_count) {
        fputs(",\"key\":", stdout);
        json_text(hs_key_text(h, edge->key, key, sizeof key));
        fputs(",\"from_value\":", stdout);
        json_value(edge->from_value);
        fputs(",\"to_value\":", stdout);
        json_value(edge->to_value);
    }
    putchar('}');
}

static void json_finding(const struct check_result *r) {
    const struct ck_finding *f = &r->report->finding;
    printf(",\"anomaly\":\"%s\",\"about\":", ck_anomaly_name(f->anomaly));
    json_text(ck_anomaly_about(f->anomaly));
    printf(",\"forbidden_from\":\"%s\",\"proof\":", check_level_name(ck_anomaly_level(f->anomaly)));
    json_text(f->proof);
    fputs(",\"cycle\":[", stdout);
    for (unsigned i = 0; i < f->edge_count; i++) {
        if (i != 0) putchar(',');
        json_edge(r->history, &f->edges[i]);
    }
    putchar(']');
}

void check_print_json(const struct check_result *r) {
    const struct ck_report *report = r->report;
    const struct ck_options *options = &r->ask->options;
    printf("{\"verdict\":\"%s\"", verdicts[report->verdict]);
    if (report->verdict == CK_VIOLATION) json_finding(r);
    if (report->verdict == CK_UNKNOWN) {
        fputs(",\"why\":", stdout);
        json_text(report->unknown);
    }
    printf(",\"level\":\"%s\",\"strict\":%s,\"sessions\":%s", check_level_name(options->level),
           options->strict && r->history->timed ? "true" : "false",
           options->sessions && r->history->by_session ? "true" : "false");
    printf(",\"committed\":%" PRIu64 ",\"aborted\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"reads\":%" PRIu64
           ",\"writes\":%" PRIu64 ",\"scans\":%" PRIu64 ",\"edges\":{",
           report->committed, report->aborted, report->undecided, report->reads, report->writes, report->scans);
    for (unsigned i = 0; i < 6; i++) printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",", edges[i], report->edges[i]);
    printf("},\"read_ns\":%" PRIu64 ",\"judge_ns\":%" PRIu64 ",\"passes\":[", r->read_ns, r->judge_ns);
    for (unsigned i = 0; i < report->pass_count; i++)
        printf("%s{\"name\":\"%s\",\"ns\":%" PRIu64 ",\"txns\":%" PRIu64 "}", i == 0 ? "" : ",", report->passes[i].name,
               report->passes[i].ns, report->passes[i].txns);
    printf("],\"history_bytes\":%" PRIu64 ",\"judge_bytes\":%" PRIu64 "}\n", r->history_bytes, report->memory_bytes);
}
