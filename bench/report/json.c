/* json.c - a measure as one line of JSON, with all that it depends on. docs/benchmark.md says what each name means.
 *
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>

#include "bench/report/report.h"

static void text(FILE *out, const char *name, const char *value) {
    fprintf(out, "\"%s\":\"", name);
    for (const unsigned char *at = (const unsigned char *)value; *at != 0; at++) {
        if (*at == '"' || *at == '\\') fputc('\\', out);
        if (*at < 0x20)
            fprintf(out, "\\u%04x", *at);
        else
            fputc(*at, out);
    }
    fputs("\",", out);
}
static void whole(FILE *out, const char *name, uint64_t value) { fprintf(out, "\"%s\":%" PRIu64 ",", name, value); }
static void real(FILE *out, const char *name, double value) { fprintf(out, "\"%s\":%.9g,", name, value); }
static void flag(FILE *out, const char *name, bool value) { fprintf(out, "\"%s\":%s,", name, value ? "true" : "false"); }

static void write_facts(FILE *out, const struct br_report *report) {
    const struct br_facts *f = &report->facts;
    fputs("\"facts\":{", out);
    text(out, "varve", f->varve);
    text(out, "commit", f->commit);
    text(out, "compiler", f->compiler);
    text(out, "build", f->build);
    text(out, "cpu", f->cpu);
    whole(out, "cores", f->cores);
    whole(out, "memory_bytes", f->memory_bytes);
    text(out, "kernel", f->kernel);
    text(out, "governor", f->governor);
    text(out, "huge_pages", f->huge_pages);
    text(out, "directory", f->directory);
    whole(out, "device_sync_ns", f->sync_ns);
    whole(out, "device_sync_p95_ns", f->sync_p95_ns);
    fprintf(out, "\"date\":\"%s\"},", f->date);
}

static void write_question(FILE *out, const struct br_report *report, const struct br_run *run) {
    const struct br_section *section = &report->sections[run->section];
    const struct bl_settings *s = &report->settings;
    text(out, "command", report->command != NULL ? report->command : "");
    text(out, "load", section->load->name);
    text(out, "engine", run->engine->name);
    text(out, "title", run->engine->title);
    text(out, "asked", br_level_name(run->asked));
    text(out, "isolation", br_level_of(run));
    text(out, "claims", br_level_name(run->engine->levels[run->level].claims));
    flag(out, "weaker", br_weaker(run));
    text(out, "sync", report->sync);
    flag(out, "unequal", report->unequal);
    whole(out, "threads", section->threads);
    real(out, "theta", section->theta);
    whole(out, "records_asked", s->records);
    whole(out, "value_bytes", s->value_bytes);
    text(out, "keys", s->string_keys ? "string" : "binary");
    text(out, "key_order", s->sorted_keys ? "sorted" : "random");
    whole(out, "ops_per_txn", s->ops_per_txn);
    whole(out, "read_ratio", s->read_ratio);
    whole(out, "warehouses", s->warehouses);
    whole(out, "hot", s->hot);
    whole(out, "scan_seconds", s->scan_seconds);
    flag(out, "get_many", s->use_get_many);
    flag(out, "add", s->use_add);
    flag(out, "for_update", s->use_for_update);
    whole(out, "seed", s->seed);
    real(out, "generator_ns", section->generator_ns);
}

static void write_counts(FILE *out, const struct br_measure *m) {
    whole(out, "committed", m->committed);
    whole(out, "rolled_back", m->rolled_back);
    whole(out, "attempts", m->attempts);
    whole(out, "aborts", m->aborts);
    fputs("\"aborts_by_cause\":{", out);
    const char *comma = "";
    for (unsigned i = 0; i < BD_CAUSES; i++) {
        if (m->by_cause[i] == 0) continue;
        fprintf(out, "%s\"%s\":%" PRIu64, comma, br_cause_name(i), m->by_cause[i]);
        comma = ",";
    }
    fputs("},", out);
    whole(out, "longest_aborts", m->longest_aborts);
    whole(out, "operations", m->operations);
    whole(out, "wasted", m->wasted);
    real(out, "seconds", m->seconds);
    real(out, "fill_s", m->fill_seconds);
    real(out, "cpu_s", m->cpu_seconds);
    whole(out, "memory_bytes", m->memory_bytes);
    whole(out, "records", m->records);
    whole(out, "log_bytes", m->log_bytes);
    whole(out, "syncs", m->syncs);
}

static void write_latency(FILE *out, const struct br_measure *m, const struct bl_load *load) {
    whole(out, "p50_ns", m->p50);
    whole(out, "p95_ns", m->p95);
    whole(out, "p99_ns", m->p99);
    whole(out, "p999_ns", m->p999);
    whole(out, "max_ns", m->max);
    fputs("\"quantiles_ns\":[", out);
    for (unsigned i = 0; i < BR_QUANTILES; i++)
        fprintf(out, "%s[%.5g,%" PRIu64 "]", i != 0 ? "," : "", br_quantiles[i], m->quantile[i]);
    fputs("],\"kinds\":{", out);
    for (unsigned k = 0; k < load->kind_count; k++)
        fprintf(out, "%s\"%s\":{\"committed\":%" PRIu64 ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 "}",
                k != 0 ? "," : "", load->kinds[k], m->by_kind[k], m->kind_p50[k], m->kind_p99[k]);
    fputs("},\"samples\":[", out);
    for (unsigned i = 0; i < m->sample_count; i++)
        fprintf(out, "%s[%.2f,%.1f,%" PRIu64 ",%" PRIu64 "]", i != 0 ? "," : "", m->samples[i].at, m->samples[i].rate,
                m->samples[i].memory_bytes, m->samples[i].versions_bytes);
    fputs("],", out);
}

static void write_measure(FILE *out, const struct br_report *report, const struct br_run *run,
                          const struct br_measure *m) {
    if (m->repeats == 0 && !m->failed) return;
    fputc('{', out);
    write_question(out, report, run);
    text(out, "loop", m->target > 0 ? "open" : "closed");
    real(out, "due_per_s", m->target);
    flag(out, "failed", m->failed);
    if (m->failed) {
        text(out, "failure", m->text);
    } else {
        flag(out, "steady", m->steady);
        fputs("\"rates\":[", out);
        for (unsigned i = 0; i < m->repeats; i++) fprintf(out, "%s%.1f", i != 0 ? "," : "", m->rate[i]);
        fputs("],", out);
        real(out, "txn_per_s", m->median);
        write_counts(out, m);
        write_latency(out, m, report->sections[run->section].load);
    }
    write_facts(out, report);
    fprintf(out, "\"partial\":%s}\n", report->partial ? "true" : "false");
}

void br_json(FILE *out, const struct br_report *report, const struct br_run *run) {
    write_measure(out, report, run, &run->peak);
    for (unsigned i = 0; i < BR_SHARES; i++) write_measure(out, report, run, &run->open[i]);
}
