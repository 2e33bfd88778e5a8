#!/usr/bin/env bash
# docs/checking.md is true: its files are written, its commands run in order, and each prints what the page says ("..." in a
# line stands for anything; alone in a line, for any further lines). Its table of anomalies is that of the checker.
# Environment: VARVE_SOURCE, VARVE_COMMAND.
# SPDX-License-Identifier: MIT
set -u
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin" && ln -s "$VARVE_COMMAND" "$scratch/bin/varve" && cd "$scratch" || exit 1
PATH=$scratch/bin:$PATH python3 - "$VARVE_SOURCE" <<'CHECK'
import pathlib, re, subprocess, sys
root = pathlib.Path(sys.argv[1])
page = (root / "docs/checking.md").read_text()
steps, faults = [], 0
for line in page.splitlines():
    if line.startswith("    $ "):
        steps.append((line[6:], []))
        inside = True
    elif line.startswith("    ") and steps and inside:
        steps[-1][1].append(line[4:])
    else:
        inside = False
for command, lines in steps:
    if command.startswith("cat "):
        pathlib.Path(command[4:]).write_text("".join(line + "\n" for line in lines))
        continue
    run = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    pattern = "".join(".*" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") + "\n" for line in lines)
    if not re.fullmatch(pattern, run.stdout, re.S):
        print(f"$ {command}\nprinted\n{run.stdout}\nthe page says\n" + "\n".join(lines), file=sys.stderr)
        faults += 1
names = (root / "suite/checker/names.c").read_text()
rows = re.findall(r'\{\s*"([^"]+)",\s*"([^"]+)",\s*VARVE_(\w+)\}', names)
wanted = [f"| {n} | {about} | {level.lower().replace('_', ' ')} |" for n, about, level in rows if n != "none"]
table = [line for line in page.split("## The anomalies")[1].splitlines() if line.startswith("| ")][2:]
for line in [row for row in wanted if row not in table] + [row for row in table if row not in wanted]:
    print(f"in the checker or on the page, not both: {line}", file=sys.stderr)
    faults += 1
print(f"{len(steps)} commands and files, {len(table)} anomalies, {faults} faults")
sys.exit(0 if faults == 0 and len(steps) > 30 and table == wanted else 1)
CHECK
