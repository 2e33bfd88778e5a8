#!/usr/bin/env bash
# bench_experiments from outside: what is refused, a table whose first line is the command, every setting of a part in it.
# SPDX-License-Identifier: MIT
set -u
program=$VARVE_BUILD/bench_experiments
if [ ! -x "$program" ]; then
    echo "skipped: this build has no bench_experiments"
    exit 0
fi
bad=0
expect() {
    local status=$1 text=$2 got out
    shift 2
    out=$("$program" "$@" 2>&1)
    got=$?
    if [ $got != "$status" ] || [[ $out != *"$text"* ]]; then
        echo "status $status and \"$text\" wanted, $got and \"$out\" came from: $*" >&2
        bad=1
    fi
}
expect 0 'usage: bench_experiments' --help
expect 2 "no option '--thread'" --thread 2
expect 2 '--seconds: a value is missing' --seconds
expect 2 '--seconds: a number from' --seconds soon
expect 2 '--threads: numbers from 1' --part back-off --threads 0
expect 2 'no such part; there are extension escalation' --part waiting
expect 2 'no such load' --part extension --load ycsb
expect 2 'no such scheme' --part extension --load long-rw --cc mvc
out=$("$program" --part escalation --load long-rw --cc mvcc --threads 2 --seconds 0.02 --records 500 --repeat 2 2>&1) || bad=1
for line in '# bench_experiments --part escalation --load long-rw' 'escalation: long-rw, mvcc, 2 threads' '  after 1 ' '  after 3 ' \
    '  never '; do
    [[ $out == *"$line"* ]] || { echo "no line with \"$line\" in: $out" >&2; bad=1; }
done
exit $bad
