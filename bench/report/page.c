/* page.c - the page of `varve bench --html`: its head, the facts, and its parts in order.
 *
 * The file stands alone: no reference leads out of it, it has no script, and it says so to the browser (a
 * Content-Security-Policy that allows nothing but its own style).
 *
 * Thread rule: one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "bench/report/page_int.h"

void bp_text(FILE *out, const char *text) {
    for (; *text != 0; text++) {
        switch (*text) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default: fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
        }
    }
}

static void scaled(char text[32], double value, const char *unit) {
    snprintf(text, 32, value >= 99.95 ? "%.0f%s" : value >= 9.995 ? "%.1f%s" : "%.2f%s", value, unit);
    char *dot = strchr(text, '.'), *end = text + strlen(text) - strlen(unit);
    if (dot == NULL) return;
    char *last = end;
    while (last[-1] == '0') last--;
    if (last[-1] == '.') last--;
    memmove(last, end, strlen(end) + 1);
}

void bp_count(char text[32], double number) {
    if (number >= 999500)
        scaled(text, number * 1e-6, " M");
    else if (number >= 999.5)
        scaled(text, number * 1e-3, " k");
    else
        scaled(text, number, "");
}
void bp_time(char text[32], double ns) {
    if (ns >= 999.5e6)
        scaled(text, ns * 1e-9, " s");
    else if (ns >= 999.5e3)
        scaled(text, ns * 1e-6, " ms");
    else if (ns >= 999.5)
        scaled(text, ns * 1e-3, " \302\265s");
    else
        snprintf(text, 32, "%.0f ns", ns);
}
void bp_bytes(char text[32], double bytes) {
    if (bytes >= 1 << 30)
        scaled(text, bytes / (1 << 30), " GiB");
    else
        scaled(text, bytes / (1 << 20), " MiB");
}

static void write_head(FILE *out) {
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "img-src data:\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<title>Varve: a benchmark</title>\n<style>", out);
    fputs(bp_style, out);
    fputs("</style>\n</head>\n<body>\n", out);
}

static void write_fact(FILE *out, const char *name, const char *text) {
    if (text == NULL || *text == 0) return;
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    bp_text(out, text);
    fputs("</dd></div>\n", out);
}

static void write_facts(FILE *out, const struct br_report *report) {
    const struct br_facts *f = &report->facts;
    char text[160], memory[32];
    fputs("<dl class=\"facts\">\n", out);
    write_fact(out, "Varve", f->varve);
    write_fact(out, "commit", f->commit);
    write_fact(out, "compiler", f->compiler);
    write_fact(out, "build", f->build);
    write_fact(out, "processor", f->cpu);
    bp_bytes(memory, (double)f->memory_bytes);
    snprintf(text, sizeof(text), "%u cores, %s", f->cores, memory);
    write_fact(out, "machine", text);
    write_fact(out, "kernel", f->kernel);
    write_fact(out, "governor", f->governor);
    write_fact(out, "huge pages", f->huge_pages);
    write_fact(out, "files in", f->directory);
    snprintf(text, sizeof(text), "%llu rows of %u bytes, %s keys, seed %llu", (unsigned long long)report->settings.records,
             report->settings.value_bytes, report->settings.string_keys ? "string" : "binary",
             (unsigned long long)report->settings.seed);
    write_fact(out, "data", text);
    write_fact(out, "date", f->date);
    write_fact(out, "made by", report->command);
    fputs("</dl>\n", out);
}

static void write_count(FILE *out, const char *number, const char *what) {
    fputs("<div class=\"count\"><b>", out);
    bp_text(out, number);
    fprintf(out, "</b><span>%s</span></div>\n", what);
}

static void write_warnings(FILE *out, const struct br_report *report) {
    unsigned weaker = 0;
    for (unsigned i = 0; i < report->run_count; i++) weaker += br_weaker(&report->runs[i]);
    if (report->partial)
        fputs("<p class=\"warn\">The benchmark was interrupted: what was measured until then is here.</p>\n", out);
    if (report->unequal)
        fputs("<p class=\"warn\">Run with --unequal: the engines may not lose the same in a crash.</p>\n", out);
    if (weaker > 0)
        fputs("<p class=\"warn\">Some engines cannot give the isolation that was asked for and ran at their strongest; "
              "they are marked, and do less work for their figures.</p>\n", out);
}

static void write_top(FILE *out, const struct br_report *report) {
    char text[64];
    fputs("<header>\n<h1>Varve: a benchmark</h1>\n<p class=\"lead\">Each engine at each level on a fresh database: filled, "
          "checked, warmed until steady, measured, checked again. Repeats of different engines take turns.</p>\n"
          "<div class=\"counts\">\n", out);
    snprintf(text, sizeof(text), "%u", report->run_count);
    write_count(out, text, report->run_count == 1 ? "run" : "runs");
    snprintf(text, sizeof(text), "%g s \303\227 %u", report->seconds, report->repeats);
    write_count(out, text, "measured each");
    write_count(out, report->sync, "sync mode of every engine");
    if (report->facts.sync_ns > 0) {
        bp_time(text, (double)report->facts.sync_ns);
        write_count(out, text, "for 4 KiB and fdatasync on this device");
    }
    fputs("</div>\n", out);
    write_facts(out, report);
    write_warnings(out, report);
    fputs("<nav aria-label=\"Parts of the page\">\n", out);
    for (unsigned s = 0; s < report->section_count; s++) {
        const char *name = report->sections[s].load->name;
        if (s == 0 || strcmp(report->sections[s - 1].load->name, name) != 0)
            fprintf(out, "<a href=\"#%s\">%s</a>\n", name, name);
    }
    fputs("<a href=\"#numbers\">All numbers</a>\n<a href=\"#words\">Words</a>\n</nav>\n</header>\n", out);
}

int br_page(FILE *out, const struct br_report *report) {
    write_head(out);
    write_top(out, report);
    fputs("<main>\n", out);
    bp_write_loads(out, report);
    bp_write_table(out, report);
    bp_write_words(out, report);
    fputs("</main>\n<footer><p>Open loops after Tene, <cite>How NOT to Measure Latency</cite> (2013). The page fetches "
          "nothing and sends nothing; it has no script.</p></footer>\n</body>\n</html>\n", out);
    return ferror(out) ? VARVE_IO : VARVE_OK;
}
