"""The checkers check: each is shown a small tree with one fault and must refuse it, and a clean one and must accept it.

SPDX-License-Identifier: MIT
"""
import pathlib
import subprocess
import sys
import tempfile

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"
HEAD = "/* x.c - a file.\n *\n * SPDX-License-Identifier: MIT\n */\n"
LONG = "static void f(void) {\n" + "    g();\n" * 70 + "}\n"

# (checker, file, text, accepted)
CASES = [
    ("check_layers", "src/storage/a.c", '#include "storage/a.h"\n#include "core/wset.h"\n', True),
    ("check_layers", "src/storage/a.c", '#include "storage/a.h"\n#include "txnlog/txnlog.h"\n', False),
    ("check_layers", "src/txn/a.c", '#include "txn/a.h"\n#include "mvcc/mvcc.h"\n', False),
    ("check_layers", "src/db/a.c", '#include "db/a.h"\n#include "txn/txn_int.h"\n', False),
    ("check_layers", "src/base/a.c", '#include "base/a.h"\n#include "os/os.h"\n', False),
    ("check_layers", "src/core/a.c", '#include "core/a.h"\n#include <unistd.h>\n', False),
    ("check_layers", "src/base/alloc_jemalloc.c", "#include <sys/mman.h>\n", True),
    ("check_layers", "src/base/alloc_jemalloc.c", "#include <unistd.h>\n", False),
    ("check_layers", "src/base/alloc_libc.c", "#include <sys/mman.h>\n", False),
    ("check_layers", "suite/checker/a.c", '#include "history/history.h"\n', True),
    ("check_layers", "suite/checker/a.c", '#include "txn/txn.h"\n', False),
    ("check_layers", "suite/report/a.c", '#include "step/step_int.h"\n', False),
    ("check_layers", "src/core/a.c", '#include "a.h"\n', False),
    ("check_layers", "src/cellar/a.c", "", False),
    ("check_sizes", "src/core/a.c", "static void f(void) {\n    g();\n}\n", True),
    ("check_sizes", "src/core/a.c", LONG, False),
    ("check_sizes", "src/core/a.c", "/* size waiver: one switch over every verb */\n" + LONG, True),
    ("check_sizes", "src/core/a.c", "/* size waiver: no */\n" + LONG, False),
    ("check_sizes", "src/core/a.c", "int f(int a, int b, int c, int d,\n      int e, int g, int h, int i, int j) {\n}\n", False),
    ("check_sizes", "src/core/a.h", "int a;\n" * 801, False),
    ("check_words", "src/core/a.c", HEAD + "int a;\n", True),
    ("check_words", "src/core/a.c", "int a;\n", False),
    ("check_words", "src/core/a.c", HEAD + "/* TO" + "DO: more */\n", False),
    ("check_words", "src/core/a.c", HEAD + "void f(void) { __atomic_thread_fence(5); }\n", False),
    ("check_words", "src/core/a.c", HEAD + "void f(char *p) { strcpy(p, p); }\n", False),
    ("check_words", "tests/unit/core/test_a.c", HEAD + "void f(void) { usleep(10); }\n", False),
    ("check_headers", "src/core/a.h", "static inline int f(void) { return 0; }\n", True),
    ("check_headers", "src/core/a.h", "struct a { uint32_t b; };\n", False),
    ("check_docs", "README.md", "See [there](docs/README.md).\n", True),
    ("check_docs", "README.md", "See [there](docs/nowhere.md).\n", False),
    ("check_docs", "README.md", "See `src/nowhere.c`.\n", False),
    ("check_docs", "docs/lost.md", "Nobody comes here.\n", False),
]


def verdict(checker, name, text):
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for path, content in (("include/varve.h", "#define VARVE_H\n" + HEAD), ("docs/README.md", ""), (name, text)):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        if checker == "check_words":
            (root / "include/varve.h").write_text(HEAD)
        done = subprocess.run([str(TOOLS / checker), "--root", directory], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


wrong = 0
for checker, name, text, accepted in CASES:
    status, output = verdict(checker, name, text)
    if status != (0 if accepted else 1):
        wrong += 1
        print(f"{checker} answered {status} to {name}:\n{text[:120]}\n{output}")
print(f"checkers: {len(CASES)} cases, {wrong} wrong")
sys.exit(1 if wrong else 0)
