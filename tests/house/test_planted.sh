#!/usr/bin/env bash
# The tests of the public interface can fail: over the reference engine (tests/model/fake_*.c) they pass, and each fault
# that can be planted in it makes at least one of them fail.
# usage: test_planted.sh PROGRAM...
# SPDX-License-Identifier: MIT
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export VARVE_TEST_BUDGET=1
wrong=0
for program in "$@"; do
    if ! "$program" >"$scratch/out" 2>&1; then
        echo "$(basename "$program") fails without a fault:"
        grep -v OK "$scratch/out" | head -20
        wrong=1
    fi
done
for fault in level lost scan rollback reopen; do
    caught=
    for program in "$@"; do
        FAKE_FAULT=$fault "$program" >/dev/null 2>&1 || caught="$caught $(basename "$program")"
    done
    echo "fault $fault caught by:${caught:- nobody}"
    [ -n "$caught" ] || wrong=1
done
exit $wrong
