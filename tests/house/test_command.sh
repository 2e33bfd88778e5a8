#!/usr/bin/env bash
# The command `varve` from outside: what it prints, and the exit status of each class of answer.
# usage: test_command.sh VARVE JSON(yes|no)
# SPDX-License-Identifier: MIT
set -u
varve=$1 json=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
db=$scratch/db
bad=0
# expect STATUS TEXT COMMAND... : exit status, and standard output and error together
expect() {
    local status=$1 text=$2 got out
    shift 2
    out=$("$@" 2>&1)
    got=$?
    if [ $got != "$status" ] || [ "$text" != - ] && [[ $out != *"$text"* ]]; then
        printf 'status %s and "%s" wanted, %s and "%s" came from:' "$status" "$text" "$got" "$out" >&2
        printf ' %q' "$@" >&2
        echo >&2
        bad=1
    fi
}
lines() { printf '%b' "$1" >"$scratch/in"; }

expect 3 'No such file' "$varve" get "$db" t k
expect 0 - "$varve" put "$db" t alice 100
expect 0 100 "$varve" get "$db" t alice
expect 1 '' "$varve" get "$db" t bob
expect 0 - "$varve" del "$db" t alice
expect 1 '' "$varve" del "$db" t alice
expect 2 "nearest is 'get'" "$varve" gte "$db" t k
expect 2 "nearest is '--limit'" "$varve" scan "$db" t --limt 3
expect 2 usage "$varve" get "$db" t
expect 3 'not a database' "$varve" stat "$scratch"

lines 'a\t1\nb\\tx\t2\nc\\xff\t3\n'
expect 0 '3 rows' "$varve" load "$db" t "$scratch/in"
expect 0 $'a\t1\nb\\tx\t2\nc\\xff\t3' "$varve" scan "$db" t
expect 0 $'c\\xff\nb\\tx' "$varve" scan "$db" t --reverse --limit 2 --keys
expect 0 $'b\\tx' "$varve" scan "$db" t --prefix b --keys
lines 'ok\t1\nno tab here\n'
expect 2 'line 2: no tab' "$varve" load "$db" t "$scratch/in"
expect 1 '' "$varve" get "$db" t ok # its batch was not loaded
lines 'd\t4\n'
"$varve" load "$db" t --quiet <"$scratch/in" || bad=1
expect 0 4 "$varve" get "$db" t d

if [ "$json" = yes ]; then
    expect 0 - "$varve" dump "$db" t "$scratch/out" --format json
    expect 0 '{"k":"a","v":"1"}' cat "$scratch/out"
    expect 0 '"k64":"Y/8="' cat "$scratch/out"
    expect 0 '4 rows' "$varve" load "$db" copy "$scratch/out" --format json
    expect 0 $'a\t1\nb\\tx\t2\nc\\xff\t3\nd\t4' "$varve" scan "$db" copy
    lines '{"k":"a"}\n'
    expect 2 'line 1: member v' "$varve" load "$db" t "$scratch/in" --format json
fi

expect 0 - "$varve" constraint add "$db" t short value_bytes 0 3
expect 1 'rule short' "$varve" put "$db" t key 'too long'
expect 1 'rule long' "$varve" constraint add "$db" t long value_bytes 3 9
expect 0 'short value_bytes 0 3' "$varve" constraint list "$db" t
expect 0 - "$varve" constraint drop "$db" t short
expect 0 - "$varve" put "$db" t key 'not too long'
expect 2 "nearest is 'value_bytes'" "$varve" constraint add "$db" t x value_byte 1 2

expect 0 - "$varve" checkpoint "$db"
expect 0 'recovered_rows' "$varve" stat "$db"
expect 0 4 "$varve" get "$db" t d
expect 2 "nearest is 'cc'" "$varve" get "$db" t d --options 'c=occ'
expect 3 'standard output' bash -c "'$varve' scan '$db' t >/dev/full"

# check: a verdict is an exit status; what is no history is told with its line
expect 0 '--convert NAME' "$varve" check --help
expect 0 'ok: the history is one' "$varve" check --make 100
expect 0 '"verdict":"ok"' "$varve" check --make 100 --json
lines '{"varve-history":1,"stamps":true,"timed":true}\n{"begin":1,"end":2,"cts":1,"ops":[["write","x",1]]}
{"begin":3,"end":4,"snapshot":1,"ops":[["read","x",7,{"version":9}]]}\n'
expect 1 'violation: garbage' "$varve" check "$scratch/in"
expect 1 'violation: garbage' bash -c "'$varve' check - --quiet --svg '$scratch/a.svg' --dot '$scratch/a.dot' <'$scratch/in'"
expect 0 '<svg' cat "$scratch/a.svg"
expect 0 digraph cat "$scratch/a.dot"
expect 2 'line 1: the file is empty' "$varve" check /dev/null
lines '{:type :ok :value [[:r 1 nil]]}\n{:type :maybe}\n'
expect 2 "line 2: unknown type 'maybe'" "$varve" check "$scratch/in"
expect 2 "line 1: not a history" "$varve" check "$varve"
expect 3 'No such file' "$varve" check "$scratch/none"
expect 2 'one file' "$varve" check
expect 2 "nearest is '--level'" "$varve" check x --levle si
expect 2 "nearest is 'plume'" "$varve" check x --format plum
expect 2 "'cs' is not acceptable" "$varve" check x --level cs
expect 2 'a value is missing' "$varve" check x --svg
expect 2 'has no scans' "$varve" check - --convert dbcop < <(
    echo '{"varve-history":1}'
    echo '{"ops":[["scan",{},[]]]}'
)
for form in jsonl binary; do
    expect 0 - "$varve" check --make 50 --convert $form --out "$scratch/h.$form"
    expect 0 'ok: ' "$varve" check "$scratch/h.$form"
done
expect 0 - "$varve" check "$scratch/h.binary" --convert jsonl --out "$scratch/h"
expect 0 - cmp "$scratch/h" "$scratch/h.jsonl"
expect 3 'standard output' bash -c "'$varve' check --make 5000 --convert jsonl >/dev/full"
# --run: what --export keeps is the last run's history, and it is judged as it was
expect 0 'bytes/txn  ok' "$varve" check --run --cc occ,mvcc --isolation rr,si --txns 300 --export "$scratch/run"
expect 0 '"level":"snapshot"' cat "$scratch/run"
expect 0 'ok: ' "$varve" check "$scratch/run"
expect 3 'No such file' "$varve" check --run --cc mvcc --isolation si --txns 100 --export "$scratch/none/run"
expect 2 'mvcc, 2pl, occ or all' "$varve" check --run --cc mvc
expect 2 'its value is missing' "$varve" check --run --export
[ $bad = 0 ] && echo "the command answers as it should"
exit $bad
