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
[ $bad = 0 ] && echo "the command answers as it should"
exit $bad
