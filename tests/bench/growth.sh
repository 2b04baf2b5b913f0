#!/bin/bash
# How cost grows with nodes and with Services: a table, and OUT/growth.svg where gnuplot is installed.
#
#   tests/bench/growth.sh [BUILD [OUT]]
set -eu
build=${1:-build}
out=${2:-$build/bench}
here=$(dirname "$0")
program=$build/tests/bench/bench_growth
mkdir -p "$out"

head='# nodes Services pods seconds-until-ready heap-bytes ns-a-hop'
echo "$head" >"$out/growth-nodes.txt"
for nodes in 10 100 1000 5000; do "$program" $nodes 1000 10 >>"$out/growth-nodes.txt"; done
echo "$head" >"$out/growth-services.txt"
for services in 10 100 1000 10000 30000; do "$program" 1000 $services 5 >>"$out/growth-services.txt"; done

for what in nodes services; do
  printf '\n%8s %9s %8s %9s %10s %9s %14s\n' nodes Services pods 'ready s' 'heap MB' 'ns a hop' 'bytes a part'
  # A part: a node, a Service or a pod.  Memory that grew with nodes times Services would show in the last column.
  awk '!/^#/ { printf "%8d %9d %8d %9.3f %10.1f %9d %14d\n", $1, $2, $3, $4, $5 / 1e6, $6, $5 / ($1 + $2 + $3) }' \
    "$out/growth-$what.txt"
done

if command -v gnuplot >/dev/null; then
  gnuplot -e "dir='$out'" "$here/growth.gp"
  echo "drawn: $out/growth.svg"
else
  echo "SKIP the plot: gnuplot is not installed"
fi
