#!/bin/bash
# Builds star.cc against ns-3 and runs it beside bench_star.  Usage: tests/bench/peers/ns3.sh BUILD [PREFIX]
#
# PREFIX: where a release build of ns-3 (logging and asserts off) is installed; else the package libns3-dev, which is no
# optimised build: it flatters us by a factor of about 1.6.
set -eu
build=$1
prefix=${2:-}
here=$(dirname "$0")
include=${prefix:-/usr}/include
[ -d "$include/ns3" ] || include=$(echo "${prefix:-/usr}"/include/ns3.*)
if [ ! -e "$include/ns3/core-module.h" ]; then
  echo "SKIP ns-3: no headers under ${prefix:-/usr}/include; on Debian: apt-get install libns3-dev"
  exit 77
fi
lib=${prefix:+$prefix/lib}
flags=()
for module in applications point-to-point internet network core; do
  file=$(find ${lib:-/usr/lib} -regextype egrep -regex ".*/libns3[0-9.]*-$module(-optimized|-release|-default|-debug)?\.so" 2>/dev/null | sort | head -n 1)
  flags+=("$file")
done
${CXX:-c++} -O2 -std=c++17 -I"$include" -o "$build/ns3-star" "$here/star.cc" -Wl,--no-as-needed "${flags[@]}" \
  ${lib:+-Wl,-rpath,$lib} -Wl,-rpath-link,"${lib:-/usr/lib}"
"$build/ns3-star"
"$build/tests/bench/bench_star"
