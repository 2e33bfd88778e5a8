/* bench.c - `varve bench`: loads on this engine in each scheme, and on others, measured in turns.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "varve_cmd.h"

static void on_interrupt(int number) {
    (void)number;
    bench_interrupt();
}

/* The words of the command line, for whoever reads the page. */
static void write_command(char *text, size_t bytes, int argc, char **argv) {
    size_t used = (size_t)snprintf(text, bytes, "varve bench");
    for (int i = 0; i < argc && used < bytes; i++) used += (size_t)snprintf(text + used, bytes - used, " %s", argv[i]);
}

static int write_page(const struct bench_ask *ask, const struct br_report *report) {
    FILE *out = fopen(ask->html, "w");
    int status = out != NULL ? br_page(out, report) : VARVE_IO, error = errno;
    if (out != NULL && fclose(out) != 0) status = VARVE_IO, error = errno;
    if (status == VARVE_OK) return 0;
    fprintf(stderr, "varve bench: %s: %s\n", ask->html, strerror(error));
    return EXIT_FAILED;
}

static int run(struct bench_ask *ask, struct br_report *report) {
    unsigned failed = 0;
    report->settings = ask->settings;
    report->sync = ask->sync;
    report->seconds = ask->seconds;
    report->repeats = ask->repeats;
    report->unequal = ask->unequal;
    br_facts_read(&report->facts, ask->directory);
    if (!ask->json) bench_print_facts(ask, report);
    int status = bench_run_all(ask, report, &failed);
    if (status == EXIT_USAGE) return status;
    if (ask->html != NULL && report->run_count > 0) {
        int written = write_page(ask, report);
        if (status == 0) status = written;
    }
    if (status != 0) return status;
    if (bench_interrupted()) fprintf(stderr, "interrupted: what was measured until then is told\n");
    return failed != 0 ? EXIT_NO : bench_interrupted() ? EXIT_FAILED : EXIT_DONE;
}

int cmd_bench(int argc, char **argv) {
    char command[1024];
    struct bench_ask ask = {.loads = "reads,mixed", .cc = "all", .isolation = "serializable", .key = "string",
                            .key_order = "random", .threads = "2", .theta = "0", .seconds = 5, .warm = 5, .repeats = 1};
    ask.settings = (struct bl_settings){.records = 1000000, .value_bytes = 100, .ops_per_txn = 10, .read_ratio = 50,
                                        .warehouses = 2, .hot = 100, .scan_seconds = 10, .seed = 1};
    const char *tmp = getenv("TMPDIR");
    ask.directory = tmp != NULL && tmp[0] != 0 ? tmp : "/tmp";
    if (argc > 0 && strcmp(argv[0], "--help") == 0) return fputs(bench_usage, stdout) < 0 ? EXIT_FAILED : EXIT_DONE;
    int status = bench_take_options(&ask, argc, argv);
    if (status == 0) status = bench_find_engines(&ask);
    if (status != 0) return status;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    write_command(command, sizeof(command), argc, argv);
    struct br_report report = {.command = command};
    status = run(&ask, &report);
    free(report.sections);
    free(report.runs);
    return status;
}
