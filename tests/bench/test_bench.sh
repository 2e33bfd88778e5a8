#!/usr/bin/env bash
# `varve bench` from outside: what is refused and how it is said, the table, --json, and that no directory stays behind.
# SPDX-License-Identifier: MIT
set -u
varve=$VARVE_COMMAND
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/databases
mkdir "$TMPDIR"
bad=0
# expect STATUS TEXT ARGUMENTS... : exit status, and standard output and error together
expect() {
    local status=$1 text=$2 got out
    shift 2
    out=$("$varve" bench "$@" 2>&1)
    got=$?
    if [ $got != "$status" ] || [[ $out != *"$text"* ]]; then
        printf 'status %s and "%s" wanted, %s and "%s" came from: bench' "$status" "$text" "$got" "$out" >&2
        printf ' %q' "$@" >&2
        echo >&2
        bad=1
    fi
}
tiny=(--seconds 0.05 --warm 0 --records 500 --threads 2)

expect 0 'usage: varve bench' --help
expect 2 "no load 'ycbs-a'; the nearest is 'ycsb-a'" --load ycbs-a "${tiny[@]}"
expect 2 "no load 'nothing'" --load rmw,nothing "${tiny[@]}"
expect 2 "no option '--thread'; the nearest is '--threads'" --thread 2
expect 2 '--seed: a value is missing' --load rmw --seed
expect 2 '--theta: a number from 0 to below 1' --theta 1
expect 2 '--theta: a number' --theta nan
expect 2 '--theta: a number' --theta -0.5
expect 2 '--threads: a number from 1 to 1024' --threads 0
expect 2 '--threads: a number from 1 to 1024' --threads 2x
expect 2 '--threads: a number from 1 to 1024' --threads 1025
expect 2 '--records: a number' --records -1
expect 2 '--seconds: a number' --seconds 0
expect 2 '--key: string or binary' --key text
expect 2 '--isolation: ' --isolation serialisable
expect 2 '--cc: mvcc, 2pl, occ' --cc ssi
expect 2 "--sync: none, write" --sync often "${tiny[@]}"
expect 2 '--peer: ' --peer nosuchpeer
# What a load cannot do with the settings it is given.
expect 2 'htap: two threads at least' --load htap --seconds 0.05 --warm 0 --threads 1
expect 2 'smallbank: a hot set of 2 up to all' --load smallbank --hot 1000 "${tiny[@]}"
expect 2 '1 to 16 operations' --load mixed --ops-per-txn 17 "${tiny[@]}"
expect 2 'values of 16 to 4000 bytes' --load ycsb-a --value-size 8 "${tiny[@]}"
expect 3 "$scratch/none: No such file" --load rmw --dir "$scratch/none" "${tiny[@]}"

expect 0 'varve-occ           serializable' --load rmw --cc occ "${tiny[@]}"
expect 0 'varve-mvcc          snapshot' --load rmw,tatp,queue --cc mvcc --isolation si --rate 1000 "${tiny[@]}"
for engine in varve-mvcc varve-2pl varve-occ; do expect 0 "$engine " --load htap --dir :memory: "${tiny[@]}"; done

"$varve" bench --load reads,bank,long-rw --json --repeat 2 "${tiny[@]}" >"$scratch/json" 2>/dev/null || bad=1
python3 - "$scratch/json" <<'END' || bad=1
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
want = {(load, "varve-" + cc) for load in ("reads", "bank", "long-rw") for cc in ("mvcc", "2pl", "occ")}
assert {(row["load"], row["engine"]) for row in rows} == want and len(rows) == 9, rows
for row in rows:
    assert row["failed"] is False and len(row["rates"]) == 2 and min(row["rates"]) > 0, row
    assert row["p50_ns"] <= row["p95_ns"] <= row["p99_ns"] <= row["p999_ns"] <= row["max_ns"], row
END

# Nothing stays behind, not even of a run that was interrupted; with --keep the databases do.
"$varve" bench --load rmw --cc mvcc --seconds 600 --warm 0 --records 500 >"$scratch/out" 2>&1 &
runner=$!
for _ in $(seq 200); do
    [ -n "$(find "$TMPDIR" -type f -size +0 -print -quit)" ] && break
    read -rt 0.05 <> <(:)
done
kill -INT $runner
wait $runner
status=$?
if [ $status = 0 ] || [ $status -gt 3 ] || ! grep -q interrupted "$scratch/out"; then
    echo "interrupted: status $status, $(cat "$scratch/out")" >&2
    bad=1
fi
left=$(ls -A "$TMPDIR")
[ -z "$left" ] || { echo "left behind: $left" >&2; bad=1; }
expect 0 'varve-mvcc' --load rmw --cc mvcc --keep "${tiny[@]}"
[ "$(ls "$TMPDIR" | wc -l)" = 1 ] || { echo "--keep kept nothing" >&2; bad=1; }
exit $bad
