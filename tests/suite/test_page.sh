#!/usr/bin/env bash
# The page of `varve anomalies --html`: every picture in it is XML that another parser accepts, and a real browser shows it as
# it should be. Without a browser the second half is skipped, and the test says so.
# SPDX-License-Identifier: MIT
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$VARVE_COMMAND" anomalies --html "$scratch/page.html" >"$scratch/out" 2>&1
status=$?
if [ $status -gt 1 ] || [ ! -s "$scratch/page.html" ]; then
    cat "$scratch/out" >&2
    echo "varve anomalies --html ended with $status" >&2
    exit 1
fi
"$VARVE_COMMAND" anomalies --html "$scratch/none/page.html" >"$scratch/out" 2>&1
if [ $? != 3 ] || ! grep -q 'none/page.html' "$scratch/out"; then
    echo "a file that cannot be written gives no clear error:" >&2
    cat "$scratch/out" >&2
    exit 1
fi
python3 - "$scratch/page.html" <<'CHECK' || exit 1
import re, sys, xml.etree.ElementTree as tree
text = open(sys.argv[1], encoding="utf-8").read()
pictures = re.findall(r"<svg .*?</svg>", text, re.S)
for picture in pictures:
    tree.fromstring(picture)
print(f"{len(pictures)} pictures, {len(text)} bytes")
sys.exit(0 if len(pictures) > 42 else 1)
CHECK
timeout 300 python3 "$VARVE_SOURCE/tests/suite/report/browser.py" "$scratch/page.html"
