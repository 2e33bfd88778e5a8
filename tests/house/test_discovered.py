"""Every test file of the tree is one that this build knows: a file whose name does not fit the pattern, or that was
added after the last configuration, would otherwise never run. usage: test_discovered.py LIST

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import sys

tests = pathlib.Path(__file__).resolve().parent.parent
known = {pathlib.Path(line) for line in pathlib.Path(sys.argv[1]).read_text().split()}
found = {p for p in tests.rglob("*.c") if "house" not in p.relative_to(tests).parts}
missed = sorted(found - known)
empty = [p for p in sorted(found) if p.name.startswith("test_") and not re.search(r"\bmain\(", p.read_text())]
for path in missed:
    print(f"{path}: no test or library of the build holds it")
for path in empty:
    print(f"{path}: a test program without main")
print(f"discovered: {len(found)} files, {len(missed)} missed")
sys.exit(1 if missed or empty else 0)
