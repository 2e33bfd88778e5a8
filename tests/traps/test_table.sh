#!/usr/bin/env bash
# What docs/traps.md names exists: each test file, each function in the file before it, and each of the 46 numbers once.
# SPDX-License-Identifier: MIT
exec python3 - "${VARVE_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}" <<'CHECK'
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
faults, numbers, files, functions = [], [], 0, 0
for place, line in enumerate((root / "docs/traps.md").read_text().splitlines(), 1):
    if not line.startswith("| ") or line.startswith("| ---"):
        continue
    number = re.match(r"\| (\d+) \|", line)
    if number:
        numbers.append(int(number[1]))
    text, named = "", 0
    for name in re.findall(r"`([^`]+)`", line.split(" | ", 1)[1]):
        if "/" in name:
            path = root / name if name.startswith(("src/", "tools/")) else root / "tests" / name
            text = path.read_text() if path.is_file() else ""
            if not text:
                faults.append(f"docs/traps.md:{place}: there is no {name}")
            files += 1
            named += 1
        elif re.fullmatch(r"\w+", name):
            defined = re.search(rf"^static void {name}\(void \*\*", text, re.M)
            if not defined or not re.search(rf"\({name}[,)]", text[defined.end():]):
                faults.append(f"docs/traps.md:{place}: no test {name} runs in the file before it")
            functions += 1
    if not named and not re.search("not apply|^\\| (no\\.|rule) \\|", line):
        faults.append(f"docs/traps.md:{place}: names no file")
if numbers != list(range(1, 47)):
    faults.append(f"docs/traps.md: the numbers are {numbers}")
print("\n".join(faults) if faults else f"traps: {len(numbers)} rows, {files} files, {functions} functions, all there")
sys.exit(1 if faults else 0)
CHECK
