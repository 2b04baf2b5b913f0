#!/bin/bash
# Guards figures that noise cannot move: no allocation on the packet path, the instructions of a fixed run, bytes a thing.
#
#   tests/bench/guard.sh [BUILD]            fails if the path allocates, or anything costs more than 3 % above what
#                                           path.instructions and memory.bytes say
#   tests/bench/guard.sh [BUILD] --write    writes both
#
# The figures belong to a compiler and a C library: with others they are not looked at, nor instructions without valgrind.
set -eu
here=$(dirname "$0")
build=${1:-build}
program=$build/tests/bench/path
figure=$here/path.instructions
compiler="$(${CC:-cc} -dumpfullversion) $(uname -m)"
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo unknown)
bytes=$here/memory.bytes

"$program" || { echo "guard: the packet path allocates, or packets were lost"; exit 1; }
# "pod 931": of one more of each.
got=$("$build/tests/bench/bench_memory" | awk '{ print $1, $2 } $1 != "pod" && / as object/ { print $1 "-object", $(NF - 2) }') ||
  { echo "guard: connections were lost"; exit 1; }
if [ "${2:-}" = --write ]; then
  { echo "of $compiler $libc"; echo "$got"; } >"$bytes"
elif [ "$(head -1 "$bytes")" = "of $compiler $libc" ]; then
  awk 'NR == FNR { want[$1] = $2; next }
    want[$1] && $2 > want[$1] * 1.03 { printf "guard: a %s takes %d bytes, %d kept\n", $1, $2, want[$1]; bad = 1 }
    want[$1] && $2 < want[$1] * 0.97 { printf "guard: a %s takes %d bytes, less than the %d kept\n", $1, $2, want[$1] }
    END { exit bad }' "$bytes" - <<<"$got" || { echo "guard: if that is meant, run $0 $build --write"; exit 1; }
  echo "guard: bytes a thing as kept"
else
  echo "guard: bytes are kept of another compiler or C library: not looked at"
fi

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
