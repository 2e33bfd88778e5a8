#!/usr/bin/env bash
# The published counterexamples of tests/suite/check: `varve check` must come to the verdict, and to one of the anomalies,
# that expected.tsv gives, from the file as it is and from our own forms of it.
# Environment: VARVE_SOURCE, VARVE_COMMAND. usage: test_published.sh [PATTERN]: the rows that hold it
# SPDX-License-Identifier: MIT
set -u
folder=$VARVE_SOURCE/tests/suite/check
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bad=0 rows=0
declare -A seen
fault() {
    echo "$1" >&2
    bad=$((bad + 1))
}
# judge FILE LEVEL OPTIONS VERDICT ANOMALIES: what is wrong with the answer, if anything
judge() {
    local out status wanted=1
    # shellcheck disable=SC2086 # options are words
    out=$("$VARVE_COMMAND" check "$1" --level "$2" $3 --quiet 2>&1)
    status=$?
    [ "$4" = ok ] && wanted=0
    if [ $status != $wanted ]; then
        echo "status $status and '$out'; $4 $5 wanted"
    elif [ "$4" = violation ] && [[ "|$5|" != *"|${out#violation: }|"* ]]; then
        echo "'$out'; one of $5 wanted"
    fi
}
while IFS=$'\t' read -r file level options verdict anomaly _; do
    [[ $file = \#* ]] && continue
    row="$file at $level $options"
    seen[$file]=1
    [[ $row$verdict$anomaly = *${1:-}* ]] || continue
    [ "$options" = - ] && options=
    rows=$((rows + 1))
    wrong=$(judge "$folder/$file" "$level" "$options" "$verdict" "$anomaly")
    for form in jsonl binary; do
        "$VARVE_COMMAND" check "$folder/$file" --convert $form --out "$scratch/h" || fault "$file: no $form of it"
        other=$(judge "$scratch/h" "$level" "$options" "$verdict" "$anomaly")
        [ "$other" = "$wrong" ] || fault "$row: as $form: $other"
    done
    [ -z "$wrong" ] || fault "$row: $wrong"
done <"$folder/expected.tsv"
for path in "$folder"/*/*; do
    [ -n "${seen[${path#"$folder"/}]:-}" ] || fault "${path#"$folder"/}: not in expected.tsv"
done
[ $rows -gt 0 ] || fault "no row was tried"
echo "$rows rows, $bad faults"
[ $bad = 0 ]
