#!/usr/bin/env bash
# `varve bench` from outside: its errors, a run of several lists, JSON lines that another parser reads, a page whose pictures
# are well-formed and which a real browser shows as it should be (left out where none is installed), and an interrupt.
# SPDX-License-Identifier: MIT
set -u
varve=$VARVE_COMMAND
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bad=0
# expect STATUS TEXT OPTION... : exit status, and standard output and error together
expect() {
    local status=$1 text=$2 got out
    shift 2
    out=$("$varve" bench --records 500 --seconds 0.05 --warm 0 --dir "$scratch" "$@" 2>&1)
    got=$?
    if [ $got != "$status" ] || [[ $out != *"$text"* ]]; then
        printf 'status %s and "%s" wanted, %s and "%s" came from: varve bench %s\n' "$status" "$text" "$got" "$out" "$*" >&2
        bad=1
    fi
}
expect 2 "nearest is '--theta'" --thetta 0
expect 2 'a value is missing' --theta
expect 2 '--theta: a number from 0 to below 1' --theta 0,1
expect 2 '--threads: a number from 1' --threads 1,0
expect 2 '--isolation' --isolation ser,weak
expect 2 'random or sorted' --key-order upwards
expect 2 '--cc' --cc mvcc,ssi
expect 2 'no load' --load nothing
expect 2 'use one of them' --open --rate 10
expect 2 'leaves nothing to run' --cc none
expect 2 'nothing to sync' --dir :memory: --sync sync
expect 2 'no such peer' --peer nobody
expect 2 'use --sync, or --unequal' --options sync=none --peer lmdb
expect 3 "$scratch/none" --dir "$scratch/none"
expect 3 "$scratch/none/page" --html "$scratch/none/page"
expect 0 'varve-occ' --load rmw --cc occ --dir :memory:
expect 0 'varve-mvcc' --load scan --cc mvcc --key-order sorted
expect 0 'varve-mvcc' --load htap --cc mvcc --scan-seconds 0 --threads 3
expect 0 'open loop, 90 %' --load rmw --cc 2pl --open
expect 0 'generator: ' --load rmw --cc mvcc --sync sync

"$varve" bench --records 500 --seconds 0.05 --warm 0 --dir "$scratch" --load rmw,ycsb-a --cc mvcc,occ --isolation ser,rc \
    --threads 1,2 --theta 0,0.9 --repeat 2 --json --html "$scratch/page.html" >"$scratch/lines" || bad=1
python3 - "$scratch/lines" "$scratch/page.html" <<'CHECK' || bad=1
import json, re, sys, xml.etree.ElementTree as tree
lines = [json.loads(line) for line in open(sys.argv[1])]
kinds = {(l["load"], l["engine"], l["isolation"], l["threads"], l["theta"]) for l in lines}
assert len(lines) == len(kinds) == 2 * 2 * 2 * 2 * 2, (len(lines), len(kinds))
for l in lines:
    assert not l["failed"] and len(l["rates"]) == 2 and min(l["rates"]) <= l["txn_per_s"] <= max(l["rates"]), l
    assert l["attempts"] >= l["committed"] > 0 and l["p50_ns"] <= l["p99_ns"] <= l["max_ns"], l
    assert l["facts"]["device_sync_ns"] > 0 and l["facts"]["compiler"] and l["generator_ns"] > 0, l
text = open(sys.argv[2], encoding="utf-8").read()
pictures = re.findall(r"<svg .*?</svg>", text, re.S)
for picture in pictures:
    tree.fromstring(picture)
# bars and closed latency of 8 sections; throughput and aborts of 2 loads over threads and over skew at 2 values of the other
assert text.count('class="chart"') == 8 * 2 + 2 * 2 * 2 * 2, text.count('class="chart"')
assert "<script" not in text and "src=" not in text and "url(" not in text
CHECK
timeout 200 python3 "$VARVE_SOURCE/tests/bench/report/browser.py" "$scratch/page.html"
looked=$?
[ $looked = 0 ] || [ $looked = 77 ] || bad=1

"$varve" bench --records 500 --seconds 60 --warm 0 --dir "$scratch" --load rmw --cc mvcc,occ --json >"$scratch/part" 2>&1 &
child=$!
# It has begun to measure when its database is there and filled; an interrupt before that is as good a case.
for _ in $(seq 50); do [ -n "$(ls -d "$scratch"/varve-bench-* 2>/dev/null)" ] && break; read -rt 0.1 <> <(:); done
kill -INT $child
wait $child
[ $? = 3 ] && grep -q '^interrupted' "$scratch/part" || { cat "$scratch/part" >&2; bad=1; }
[ -z "$(ls -d "$scratch"/varve-bench-* 2>/dev/null)" ] || { echo 'a database was left behind' >&2; bad=1; }
# All else held, but nobody has looked at the page: the test counts as left out.
[ $bad = 0 ] && [ $looked = 77 ] && exit 77
exit $bad
