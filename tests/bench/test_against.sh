#!/usr/bin/env bash
# bench/against from outside: what is refused, a small table whose ratios are those of its figures, what is kept is not
# measured again, and that it does without the other engines.
# SPDX-License-Identifier: MIT
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bad=0
against=(python3 "$VARVE_SOURCE/bench/against" --build "$VARVE_BUILD" --dir "$scratch" --records 500 --seconds 0.05 --warm 0)
# expect STATUS TEXT OPTION... : exit status, and standard output and error together
expect() {
    local status=$1 text=$2 got out
    shift 2
    out=$("${against[@]}" "$@" 2>&1)
    got=$?
    if [ $got != "$status" ] || [[ $out != *"$text"* ]]; then
        printf 'status %s and "%s" wanted, %s and "%s" came from: against %s\n' "$status" "$text" "$got" "$out" "$*" >&2
        bad=1
    fi
}
expect 2 "no row 'reed'" --rows reed
expect 2 "no engine 'oracle'" --engines oracle
expect 2 'build it, or say --build' --build "$scratch"
expect 0 'sync=group, 64 threads' --list
ours=(--engines varve-mvcc,varve-occ --repeat 2 --raw "$scratch/raw" --reader-seconds 1 --log-mb 4)
expect 3 'measurements are left to do' --rows rmw-none "${ours[@]}" --limit -1
expect 0 'transfers beside a reader, of the figure of' --rows rmw-none,load-sorted,alone,reader "${ours[@]}"
[ "$(wc -l <"$scratch/raw")" = 16 ] || { echo 'four rows of two engines, twice, were wanted' >&2; bad=1; }
expect 0 'one change ' --rows rmw-none "${ours[@]}" # nothing is left to measure
[ "$(wc -l <"$scratch/raw")" = 16 ] || { echo 'what was kept was measured again' >&2; bad=1; }
if [ -x "$VARVE_BUILD/bench_recovery" ]; then
    expect 0 'opening after a kill: ' --rows recovery "${ours[@]}"
fi

# A table of known figures: medians, ranges, the ratio to the best peer and to the one that the aim names.
python3 - "$scratch/known" <<'MAKE'
import json, sys
with open(sys.argv[1], "w", encoding="utf-8") as out:
    for engine, rates in (("varve-mvcc", (300, 100, 200)), ("wiredtiger", (40, 50, 60)), ("lmdb", (80, 80, 80))):
        for turn, rate in enumerate(rates):
            line = {"txn_per_s": rate, "weaker": engine == "wiredtiger", "attempts": 100, "aborts": turn}
            print(json.dumps({"row": "mixed", "engine": engine, "turn": turn, "line": line}), file=out)
MAKE
cat >"$scratch/quick" <<'QUICK'
{"row": "recovery", "engine": "varve-mvcc", "turn": 0, "line": {"what": "log", "bytes": 4000000, "rows": 500, "transactions": 9, "checkpoint_rows": 0, "open_s": 0.5, "read_s": 0}}
QUICK
expect 0 '0.50 s (0.50-0.50), 8 MB/s, 1000 rows/s; reading the files takes 0.00 s, - MB/s' --print --rows recovery --raw "$scratch/quick"
expect 0 '200 (100-300)' --print --raw "$scratch/known"
expect 0 '80 (80-80) lmdb                  2.50  10 x wiredtiger, is 4.00' --print --raw "$scratch/known"
expect 0 'aborted: varve-mvcc 1.00 %, wiredtiger 1.00 %, lmdb 1.00 %' --print --raw "$scratch/known"
exit $bad
