/* anomalies.c - `varve anomalies`: runs the schedules at every scheme and level, and prints what was shown and prevented.
 *
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "report/peers.h"
#include "varve_cmd.h"

enum { FILES_MAX = 64, PROGRESS_AFTER_RUNS = 200000 };

struct ask {
    struct sr_options sweep;
    const char *files[FILES_MAX];
    unsigned file_count;
    const char *show, *html, *peers, *peer_directory;
    bool list, markdown, json, help;
};

static int help(void) {
    fputs("varve anomalies [OPTION...]\n\n"
          "Runs every interleaving of the schedules that ship with the command at every scheme and isolation level, and\n"
          "prints which anomalies each showed and how it prevented the others.\n\n"
          "  --cc LIST          schemes: mvcc,2pl,occ\n"
          "  --isolation LIST   levels asked for: ru,rc,rr,si,ser, or their long names\n"
          "  --schedule FILE    schedules from a file instead; may be repeated (suite/schedule/README.md)\n"
          "  --only ID|NAME     the schedules of one phenomenon, or one schedule\n"
          "  --list             names, interleavings and what each is about; runs nothing\n"
          "  --show NAME/N      one interleaving, step by step\n"
          "  --markdown         the tables of docs/isolation.md\n"
          "  --json             everything, for programs\n"
          "  --html FILE        a page of its own, with pictures\n"
          "  --peer LIST        the same on other engines: names of modules peer_NAME.so, or all\n"
          "  --peer-dir DIR     where the modules are; default: beside the command, or in peers/ there\n"
          "  --deadlock POLICY  wound_wait, no_wait, wait_die or detect\n"
          "  --tiny             leaves of four rows, four read lockers: what is rare happens all the time\n"
          "  --ghosts           every run over the deleted rows of the runs before\n"
          "  --threads N        default 2\n"
          "  --seed N           another arrangement of keys and tables; no answer may change\n"
          "  --space 2x3        instead: every interleaving of every program of two transactions of up to three\n"
          "                     operations (varve anomalies --space 2x3 --help)\n\n"
          "Exit status: 0 nothing is violated, 1 something is, 2 usage or a bad schedule, 3 the machine failed.\n",
          stdout);
    return EXIT_DONE;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static bool find_level(const char *word, varve_isolation *level) {
    static const char *const names[] = {"read_uncommitted", "read_committed", "repeatable_read", "snapshot",
                                        "serializable"};
    if (ss_level_find(word, level)) return true;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(word, names[i]) != 0) continue;
        *level = (varve_isolation)(VARVE_READ_UNCOMMITTED + i);
        return true;
    }
    return false;
}

static bool set_scheme(struct ask *ask, const char *word) {
    int scheme = ss_scheme_find(word);
    if (scheme >= 0) ask->sweep.schemes[scheme] = true;
    return scheme >= 0;
}

static bool set_level(struct ask *ask, const char *word) {
    varve_isolation level;
    if (!find_level(word, &level)) return false;
    ask->sweep.levels[level] = true;
    return true;
}

/* Words separated by commas; false: one of them is refused, or there is none. */
static bool each_word(struct ask *ask, const char *list, bool (*set)(struct ask *, const char *)) {
    char word[32];
    for (;;) {
        size_t size = strcspn(list, ",");
        if (size == 0 || size >= sizeof word) return false;
        memcpy(word, list, size);
        word[size] = 0;
        if (!set(ask, word)) return false;
        if (list[size] == 0) return true;
        list += size + 1;
    }
}

static bool is_policy(const char *word) {
    static const char *const policies[] = {"wound_wait", "no_wait", "wait_die", "detect"};
    for (unsigned i = 0; i < sizeof policies / sizeof *policies; i++)
        if (strcmp(word, policies[i]) == 0) return true;
    return false;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *number) {
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && text[0] != '-' && *number <= most;
}

static bool set_flag(struct ask *ask, const char *name) {
    static const char *const names[] = {"--list", "--markdown", "--json", "--tiny", "--ghosts", "--help"};
    bool *const flags[] = {&ask->list,       &ask->markdown,          &ask->json,
                           &ask->sweep.tiny, &ask->sweep.keep_ghosts, &ask->help};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *flags[i] = true;
        return true;
    }
    return false;
}

/* False: no such option. */
static bool set_value(struct ask *ask, const char *name, const char *value, bool *good) {
    uint64_t number;
    *good = true;
    if (strcmp(name, "--cc") == 0)
        *good = each_word(ask, value, set_scheme);
    else if (strcmp(name, "--isolation") == 0)
        *good = each_word(ask, value, set_level);
    else if (strcmp(name, "--schedule") == 0) {
        *good = ask->file_count < FILES_MAX;
        if (*good) ask->files[ask->file_count++] = value;
    } else if (strcmp(name, "--only") == 0)
        ask->sweep.only = value;
    else if (strcmp(name, "--show") == 0)
        ask->show = value;
    else if (strcmp(name, "--html") == 0)
        ask->html = value;
    else if (strcmp(name, "--peer") == 0)
        ask->peers = value;
    else if (strcmp(name, "--peer-dir") == 0)
        ask->peer_directory = value;
    else if (strcmp(name, "--deadlock") == 0) {
        ask->sweep.deadlock = value;
        *good = is_policy(value);
    } else if (strcmp(name, "--threads") == 0) {
        *good = parse_number(value, 16, &number) && number != 0;
        ask->sweep.threads = (unsigned)number;
    } else if (strcmp(name, "--seed") == 0)
        *good = parse_number(value, UINT64_MAX, &ask->sweep.seed);
    else
        return false;
    return true;
}

static int parse(struct ask *ask, int argc, char **argv) {
    static const char *const known[] = {"--cc",       "--isolation", "--schedule", "--only",    "--list",
                                        "--show",     "--markdown",  "--json",     "--html",    "--deadlock",
                                        "--tiny",     "--ghosts",    "--threads",  "--seed",    "--peer",
                                        "--peer-dir", "--help"};
    for (int i = 0; i < argc; i++) {
        bool good;
        if (set_flag(ask, argv[i])) continue;
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-') {
            fprintf(stderr, "varve: anomalies takes options only, not '%s' (varve anomalies --help)\n", argv[i]);
            return EXIT_USAGE;
        }
        if (!set_value(ask, argv[i], value != NULL ? value : "", &good))
            return cmd_unknown_option(argv[i], known, sizeof known / sizeof *known);
        if (value == NULL || !good) {
            fprintf(stderr, "varve: option %s: %s (varve anomalies --help)\n", argv[i],
                    value == NULL ? "a value is missing" : "the value is not acceptable");
            return EXIT_USAGE;
        }
        i++;
    }
    return EXIT_DONE;
}

/* --- what is printed ---------------------------------------------------------------------------------------------- */

static int load(const struct ask *ask, struct ss_set *set) {
    int status = VARVE_OK;
    if (ask->file_count == 0) status = ss_set_add_corpus(set, stderr);
    for (unsigned i = 0; i < ask->file_count; i++) {
        int added = ss_set_add_file(set, ask->files[i], stderr);
        if (status == VARVE_OK) status = added;
    }
    if (status == VARVE_OK) return EXIT_DONE;
    if (status == VARVE_INVALID || status == VARVE_IO) return EXIT_USAGE; /* told already, with file and line */
    return cmd_fail("anomalies", status, varve_strerror(status));
}

static int list(const struct ask *ask, const struct ss_set *set) {
    uint64_t all = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < set->count; i++) {
        const struct ss_schedule *schedule = set->schedules[i];
        const char *only = ask->sweep.only;
        if (only != NULL && strcmp(only, schedule->id) != 0 && strcmp(only, schedule->name) != 0) continue;
        printf("%-5s%-32s%6llu  %s\n", schedule->id, schedule->name,
               (unsigned long long)ss_interleavings(schedule), schedule->about);
        all += ss_interleavings(schedule);
        count++;
    }
    printf("%u schedules, %llu interleavings\n", count, (unsigned long long)all);
    return count != 0 ? EXIT_DONE : EXIT_NO;
}

/* NAME/N at each scheme and level chosen; without a choice all, one after another. */
static int show(const struct ask *ask, const struct ss_set *set) {
    char name[SS_NAME_BYTES], error[256];
    const char *slash = strrchr(ask->show, '/');
    uint64_t n = 0;
    snprintf(name, sizeof name, "%.*s", (int)(slash != NULL ? slash - ask->show : (long)strlen(ask->show)), ask->show);
    const struct ss_schedule *schedule = ss_set_find(set, name);
    if (schedule == NULL || (slash != NULL && !parse_number(slash + 1, UINT64_MAX - 1, &n))) {
        fprintf(stderr, "varve: --show %s: no schedule of that name (varve anomalies --list)\n", ask->show);
        return EXIT_USAGE;
    }
    bool all_schemes = true, all_levels = true, first = true;
    for (unsigned s = 0; s < SS_SCHEMES; s++) all_schemes &= !ask->sweep.schemes[s];
    for (unsigned l = 0; l <= VARVE_SERIALIZABLE; l++) all_levels &= !ask->sweep.levels[l];
    for (unsigned s = 0; s < SS_SCHEMES; s++) {
        for (unsigned l = VARVE_READ_UNCOMMITTED; l <= VARVE_SERIALIZABLE; l++) {
            if ((!all_schemes && !ask->sweep.schemes[s]) || (!all_levels && !ask->sweep.levels[l])) continue;
            struct st_options options = {.scheme = ss_schemes[s],
                                         .deadlock = ask->sweep.deadlock,
                                         .level = (varve_isolation)l,
                                         .tiny = ask->sweep.tiny,
                                         .keep_ghosts = ask->sweep.keep_ghosts,
                                         .seed = ask->sweep.seed};
            if (!first) putchar('\n');
            first = false;
            int status = sr_show(stdout, schedule, n, &options, error, sizeof error);
            if (status == VARVE_INVALID) return cmd_usage(error);
            if (status != VARVE_OK) return cmd_fail("anomalies", status, error);
        }
    }
    return EXIT_DONE;
}

static void progress(void *arg, uint64_t done, uint64_t all) {
    (void)arg;
    fprintf(stderr, "\r%llu of %llu interleavings", (unsigned long long)done, (unsigned long long)all);
}

static void report(const struct ask *ask, const struct sr_matrix *matrix, const struct sr_peers *peers) {
    char summary[160];
    sr_summary(matrix, summary, sizeof summary);
    if (ask->json) {
        sr_print_json(stdout, matrix, peers);
        return;
    }
    if (ask->markdown) {
        sr_print_markdown(stdout, matrix);
        sr_print_findings(stderr, matrix);
        return;
    }
    sr_print_text(stdout, matrix, isatty(STDOUT_FILENO) == 1);
    if (peers->count != 0) sr_peers_print_text(stdout, matrix, peers);
    if (matrix->finding_count != 0) putchar('\n');
    sr_print_findings(stdout, matrix);
    printf("\n%.1f s for %llu runs\n%s\n", (double)matrix->ns / 1e9, (unsigned long long)matrix->runs, summary);
}

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

static const char *build_kind(void) {
#if defined(__SANITIZE_ADDRESS__)
    return "with AddressSanitizer";
#elif defined(__SANITIZE_THREAD__)
    return "with ThreadSanitizer";
#elif defined(__OPTIMIZE__)
    return "optimized";
#else
    return "not optimized";
#endif
}

static int write_page(const struct ask *ask, const struct sr_matrix *matrix, const struct sr_peers *peers) {
    struct utsname system;
    char machine[256] = "", date[32] = "", command[512];
    time_t now = time(NULL);
    struct tm calendar;
    if (uname(&system) == 0)
        snprintf(machine, sizeof machine, "%.60s %.60s %.60s, %ld processors", system.sysname, system.release,
                 system.machine, sysconf(_SC_NPROCESSORS_ONLN));
    if (gmtime_r(&now, &calendar) != NULL) strftime(date, sizeof date, "%Y-%m-%d", &calendar);
    snprintf(command, sizeof command, "varve anomalies --html %.400s", ask->html);
    struct st_options run = {.deadlock = ask->sweep.deadlock,
                             .tiny = ask->sweep.tiny,
                             .keep_ghosts = ask->sweep.keep_ghosts,
                             .seed = ask->sweep.seed};
    struct sp_about about = {.version = varve_version(),
                             .compiler = COMPILER,
                             .build = build_kind(),
                             .machine = machine,
                             .date = date,
                             .command = command,
                             .run = &run};
    struct sp_peer *columns = calloc(peers->count + 1, sizeof *columns);
    FILE *out = columns != NULL ? fopen(ask->html, "w") : NULL;
    if (out == NULL) {
        free(columns);
        return cmd_fail(ask->html, VARVE_IO, strerror(errno));
    }
    for (unsigned i = 0; i < peers->count; i++) {
        snprintf(columns[i].engine, sizeof columns[i].engine, "%s", peers->columns[i].engine);
        snprintf(columns[i].level, sizeof columns[i].level, "%s", peers->columns[i].level);
        columns[i].cells = peers->columns[i].cells;
    }
    about.peers = columns;
    about.peer_count = peers->count;
    int status = sp_page(out, matrix, &about);
    free(columns);
    if (fclose(out) != 0 && status == VARVE_OK) status = VARVE_IO;
    return status == VARVE_OK ? EXIT_DONE : cmd_fail(ask->html, status, varve_strerror(status));
}

/* --- other engines ------------------------------------------------------------------------------------------------ */

/* Where the modules are: beside the command, or in a folder `peers` there. */
static void module_directory(char *path, size_t bytes) {
    char own[512], peers[600];
    ssize_t size = readlink("/proc/self/exe", own, sizeof own - 1);
    own[size > 0 ? size : 0] = 0;
    char *slash = strrchr(own, '/');
    if (slash != NULL) *slash = 0;
    snprintf(peers, sizeof peers, "%s/peers", own);
    snprintf(path, bytes, "%s", access(peers, X_OK) == 0 ? peers : own);
}

static int run_peer(const char *path, const struct sr_matrix *matrix, struct sr_peers *peers) {
    struct st_peer *peer;
    char error[512] = "";
    int status = st_peer_load(path, &peer, error, sizeof error);
    if (status != VARVE_OK) {
        fprintf(stderr, "varve: --peer: %s\n", error);
        return EXIT_USAGE;
    }
    status = sr_peers_add(peers, matrix, peer, error, sizeof error);
    st_peer_close(peer);
    return status == VARVE_OK ? EXIT_DONE : cmd_fail("anomalies", status, error);
}

static int run_all_peers(const char *directory, const struct sr_matrix *matrix, struct sr_peers *peers) {
    char pattern[700];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/peer_*.so", directory);
    int result = glob(pattern, 0, NULL, &found) == 0 ? EXIT_DONE : EXIT_USAGE;
    if (result != EXIT_DONE) fprintf(stderr, "varve: --peer: no module is there: %s\n", pattern);
    for (size_t i = 0; i < found.gl_pathc && result == EXIT_DONE; i++)
        result = run_peer(found.gl_pathv[i], matrix, peers);
    globfree(&found);
    return result;
}

static int run_peers(const struct ask *ask, const struct sr_matrix *matrix, struct sr_peers *peers) {
    char directory[600], path[700];
    module_directory(directory, sizeof directory);
    if (ask->peer_directory != NULL) snprintf(directory, sizeof directory, "%s", ask->peer_directory);
    if (strcmp(ask->peers, "all") == 0) return run_all_peers(directory, matrix, peers);
    int result = EXIT_DONE;
    for (const char *word = ask->peers; result == EXIT_DONE;) {
        int size = (int)strcspn(word, ",");
        snprintf(path, sizeof path, "%s/peer_%.*s.so", directory, size, word);
        result = run_peer(path, matrix, peers);
        if (word[size] == 0) break;
        word += size + 1;
    }
    return result;
}

static int sweep(struct ask *ask, const struct ss_set *set) {
    struct sr_matrix matrix;
    char error[512];
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (terminal) ask->sweep.progress = progress;
    int status = sr_sweep(set, &ask->sweep, &matrix, error, sizeof error);
    if (terminal) fputs("\r\033[K", stderr);
    if (status == VARVE_INVALID) return cmd_usage(error);
    if (status != VARVE_OK) return cmd_fail("anomalies", status, error);
    struct sr_peers peers;
    sr_peers_init(&peers);
    int result = ask->peers != NULL ? run_peers(ask, &matrix, &peers) : EXIT_DONE;
    if (result == EXIT_DONE) report(ask, &matrix, &peers);
    if (result == EXIT_DONE && ask->html != NULL) result = write_page(ask, &matrix, &peers);
    if (result == EXIT_DONE && matrix.finding_count != 0) result = EXIT_NO;
    sr_peers_release(&peers);
    sr_release(&matrix);
    return result;
}

int cmd_anomalies(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--space") == 0) return cmd_space(argc, argv);
    struct ask ask = {0};
    int status = parse(&ask, argc, argv);
    if (status != EXIT_DONE) return status;
    if (ask.help) return help();
    ask.sweep.part = ask.file_count != 0;
    struct ss_set set;
    ss_set_init(&set);
    status = load(&ask, &set);
    if (status == EXIT_DONE)
        status = ask.list ? list(&ask, &set) : ask.show != NULL ? show(&ask, &set) : sweep(&ask, &set);
    ss_set_release(&set);
    return status;
}
