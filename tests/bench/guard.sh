#!/bin/bash
# Guards the packet path by figures that noise cannot move: no allocation, and the instructions of a fixed run.
#
#   tests/bench/guard.sh [BUILD]            fails if the path allocates or costs more than 3 % above path.instructions
#   tests/bench/guard.sh [BUILD] --write    writes path.instructions
#
# The figure belongs to a compiler: with another one, or without valgrind, only allocations are looked at.
set -eu
here=$(dirname "$0")
build=${1:-build}
program=$build/tests/bench/path
figure=$here/path.instructions
compiler="$(${CC:-cc} -dumpfullversion) $(uname -m)"

"$program" || { echo "guard: the packet path allocates, or packets were lost"; exit 1; }
command -v valgrind >/dev/null || { echo "guard: no valgrind, instructions not counted"; exit 0; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
valgrind --tool=callgrind --toggle-collect=measured --callgrind-out-file=/dev/null "$program" >/dev/null 2>"$log"
got=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
[ "$got" -gt 0 ] || { cat "$log"; echo "guard: callgrind counted nothing"; exit 1; }
if [ "${2:-}" = --write ]; then
  echo "$got $compiler" >"$figure"
  exit 0
fi
read -r want of <"$figure"
if [ "$of" != "$compiler" ]; then
  echo "guard: $got instructions; the figure kept is of compiler $of, this is $compiler"
  exit 0
fi
change=$(((got - want) * 1000 / want))
echo "guard: $got instructions, $want kept: $((change / 10)).$((change < 0 ? -change % 10 : change % 10)) %"
if [ "$change" -gt 30 ]; then
  echo "guard: the packet path costs more than it did; if that is meant, run $0 $build --write"
  exit 1
fi
if [ "$change" -lt -30 ]; then
  echo "guard: it costs less than it did: keep that by $0 $build --write"
fi
