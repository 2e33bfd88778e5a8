#!/usr/bin/env bash
# Every planted bug is found by the scene or the test that was made for it. The hunt with all killers is
# run_mutants without arguments.
# SPDX-License-Identifier: MIT
exec "$VARVE_SOURCE/tests/mutants/run_mutants" --build "$VARVE_BUILD" --killers scene,single,index,split --limit 30
