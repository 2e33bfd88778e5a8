#!/usr/bin/env bash
# `varve anomalies` from outside: exit statuses, the last line, files with faults, and that docs/isolation.md holds the
# tables that the command prints. With VARVE_UPDATE=1 it writes them there.
# SPDX-License-Identifier: MIT
set -u
varve=$VARVE_COMMAND
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
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

printf 'schedule C1 lost\ninit x=0\ns1: r x | w x 1 | c\ns2: r x | w x 2 | c\nmust rr si ser\nshow rc\n' >"$scratch/good"
sed 's/^must.*/must rc/; s/^show.*//' "$scratch/good" >"$scratch/wrong"
printf 'schedule C1 lost\ninit x=0\ns1: r x | fly x | c\n' >"$scratch/broken"
expect 0 '20 schedules, 15 scheme-level pairs, 0 violations' "$varve" anomalies --schedule "$scratch/good"
expect 1 "$scratch/wrong:5: anomaly: C1 lost/" "$varve" anomalies --schedule "$scratch/wrong"
expect 1 'asked ru, served rc' "$varve" anomalies --schedule "$scratch/wrong"
expect 2 "$scratch/broken:3: " "$varve" anomalies --schedule "$scratch/broken"
expect 2 "$scratch/none" "$varve" anomalies --schedule "$scratch/none"
expect 2 "nearest is '--isolation'" "$varve" anomalies --isolaton ser
expect 2 '--cc' "$varve" anomalies --cc mvcc,ssi
expect 2 'a value is missing' "$varve" anomalies --seed
expect 2 'no schedule has the id or name' "$varve" anomalies --only nothing
expect 0 '20 schedules, 2 scheme-level pairs, 0 violations' \
    "$varve" anomalies --schedule "$scratch/good" --cc occ --isolation rc,serializable
expect 0 'served ser' "$varve" anomalies --schedule "$scratch/good" --show lost/3 --cc 2pl --isolation si
expect 2 'counted from 0' "$varve" anomalies --schedule "$scratch/good" --show lost/20
expect 0 '"summary":"20 schedules' "$varve" anomalies --schedule "$scratch/good" --json
expect 0 'lost' "$varve" anomalies --schedule "$scratch/good" --list
expect 0 ' 0 violations' "$varve" anomalies --schedule "$scratch/good" --html "$scratch/page.html"
grep -q '</html>' "$scratch/page.html" || bad=1
expect 3 "$scratch/no/page" "$varve" anomalies --schedule "$scratch/good" --html "$scratch/no/page"
for policy in no_wait wait_die detect; do
    expect 0 ' 0 violations' "$varve" anomalies --schedule "$scratch/good" --deadlock $policy
done

# The corpus: nothing is violated, and the documents say what it gives.
"$varve" anomalies --markdown >"$scratch/tables" || bad=1
page=$VARVE_SOURCE/docs/isolation.md
if [ "${VARVE_UPDATE:-0}" = 1 ]; then
    sed -e '/<!-- matrix:begin -->/r '"$scratch/tables" -e '/<!-- matrix:begin -->/,/<!-- matrix:end -->/{/<!-- matrix:/!d}' \
        "$page" >"$scratch/page" && cp "$scratch/page" "$page"
fi
sed -n '/<!-- matrix:begin -->/,/<!-- matrix:end -->/{/<!-- matrix:/d;p}' "$page" >"$scratch/docs"
if ! diff -u "$scratch/docs" "$scratch/tables" >&2; then
    echo "docs/isolation.md differs; VARVE_UPDATE=1 writes what 'varve anomalies --markdown' prints into it" >&2
    bad=1
fi
exit $bad
