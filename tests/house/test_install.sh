#!/usr/bin/env bash
# Installs the build into a scratch DESTDIR, moves the tree, and builds and runs a consumer through find_package (shared,
# plain and static) and through pkg-config (shared and static archive): an installation works wherever it lies.
# usage: test_install.sh BUILD CONSUMER CC CMAKE GENERATOR
# SPDX-License-Identifier: MIT
set -eu
build=$1 consumer=$2 cc=$3 cmake=$4 generator=$5
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

DESTDIR=$scratch/destdir "$cmake" --install "$build" --prefix /opt/varve >/dev/null
prefix=$scratch/moved
mv "$scratch/destdir/opt/varve" "$prefix"
library=$(dirname "$(find "$prefix" -name libvarve.a)")
test -f "$prefix/include/varve.h" && test -e "$library/libvarve.so" && test -e "$library/libvarve_plain.so"
if grep -rlF "$build" "$library/cmake" "$library/pkgconfig"; then
    echo "the files above carry a path of the build" >&2
    exit 1
fi

run() { LD_LIBRARY_PATH=$library "$@" | grep -qx 'varve [0-9.]*' || { echo "$1 did not run" >&2; exit 1; }; }

"$cmake" -G "$generator" -S "$consumer" -B "$scratch/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" >"$scratch/log" 2>&1 &&
    "$cmake" --build "$scratch/cmake" >>"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
for kind in varve plain static; do run "$scratch/cmake/consumer_$kind"; done

export PKG_CONFIG_PATH=$library/pkgconfig
test "$(pkg-config --modversion varve)" = "$("$scratch/cmake/consumer_static" | cut -d' ' -f2)"
# shellcheck disable=SC2046
"$cc" "$consumer/consumer.c" $(pkg-config --cflags --libs varve) -o "$scratch/shared"
run "$scratch/shared"
# shellcheck disable=SC2046
"$cc" "$consumer/consumer.c" $(pkg-config --cflags varve) "$library/libvarve.a" \
    $(pkg-config --static --libs varve | sed 's/-lvarve//') -o "$scratch/static"
run "$scratch/static"
if [ -x "$prefix/bin/varve" ]; then "$prefix/bin/varve" --version >/dev/null; fi
echo "install: five consumers built and run"
