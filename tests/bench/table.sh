#!/bin/bash
# Runs the benches and prints one table: each figure with its twin or peer of the same run, its gate and its goal.
#
#   tests/bench/table.sh [BUILD]           what the programs print stays in BUILD/bench/NAME.txt
#   SUMMARY=1 tests/bench/table.sh [BUILD] the table from those files, without running anything
#
# CPU time of one core, medians; a noisy machine moves figures by a factor of 1.7 and memory-bound ones by 2: compare
# columns of one run, not runs.
set -u
build=${1:-build}
out=$build/bench
mkdir -p "$out"

if [ -z "${SUMMARY:-}" ]; then
  pin=
  command -v taskset >/dev/null && pin="taskset -c $(($(nproc) - 1))"
  for program in "$build"/tests/bench/bench_*; do
    case $program in *.[do] | */bench_growth) continue ;; esac
    name=${program##*/bench_}
    [[ $name == *"${B:-}"* ]] || continue
    args=
    [ "$name" = start ] && args=$build/svcsim
    [ "$name" = connections ] && args="$build/svcsim $build/tests/bench/large"
    printf '\n== %s\n' "$name"
    # shellcheck disable=SC2086  # words
    $pin "$program" $args >"$out/$name.new" || { cat "$out/$name.new"; echo "bench_$name failed"; exit 1; }
    mv "$out/$name.new" "$out/$name.txt"
    cat "$out/$name.txt"
  done
  if [ -z "${B:-}" ] || [[ star-large == *"$B"* ]]; then
    printf '\n== star-large\n'
    # shellcheck disable=SC2086
    $pin "$build/tests/bench/bench_star" 5000 20 5000 130 >"$out/star-large.txt" && cat "$out/star-large.txt"
  fi
fi

# get FILE REGEX: what the first group of the expression finds in a program's output.
get() { [ -f "$out/$1.txt" ] && sed -nE "s~.*$2.*~\1~p;T;q" "$out/$1.txt" | head -n 1; }
# middle FILE REGEX: the median of all that the expression finds.
middle() {
  [ -f "$out/$1.txt" ] || return
  sed -nE "s~.*$2.*~\1~p" "$out/$1.txt" | sort -g | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'
}
# calc EXPRESSION: nothing if a figure in it is missing.
calc() { awk "BEGIN { printf \"%.${2:-1}f\", $1 }" 2>/dev/null; }
num='([0-9.]+)'

# row FIGURE OURS UNIT PEER PEER-NAME SENSE GATE GOAL: SENSE is "min" (more is better) or "max".
row() {
  local ratio=- state=
  [ -n "$2" ] || { printf '| %s | not measured | | | %s | %s | |\n' "$1" "$7" "$8"; return; }
  if [ -n "$4" ]; then
    if [ "$6" = min ]; then ratio=$(calc "$2 / $4" 2); else ratio=$(calc "$4 / $2" 2); fi
  fi
  state=$(awk -v x="$2" -v sense="$6" -v gate="$7" -v goal="$8" 'BEGIN {
    met = sense == "min" ? x >= goal : x <= goal; passed = sense == "min" ? x >= gate : x <= gate;
    print met ? "goal" : passed ? "gate" : "no" }')
  printf '| %s | %s %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$3" "${4:+$5 $4}" "${4:+$ratio}" "$7" "$8" "$state"
}

echo
echo '| figure | ours | beside it | times better | gate | goal | met |'
echo '|---|---|---|---|---|---|---|'
row 'packet-hops/s, small star' "$(get star "events: $num M hops")" M '' '' min 2.5 8
row 'packet-hops/s, 5,000 nodes, 100,000 pods, 5,000 clients' "$(get star-large "events: $num M hops")" M '' '' min 1 2
row 'events/s of the small star' "$(get star " $num M events/s")" M '' '' min 3 8
bare=$(get capture "^a hop $num ns") more=$(get capture "[+]$num ns")
row 'capture of every hop to /dev/null: more CPU (goal: 25 ns)' "${bare:+$(calc "$more * 100 / $bare")}" % '' '' max 30 \
  "${bare:+$(calc "2500 / $bare")}"
row 'TCP connections/s, 1 KB / 4 KB, three links' "$(middle tcp "^ +[0-9]+ +$num k")" k '' '' min 40 120
row 'the same, last round over first' "$(middle tcp "last round over first $num")" '' '' '' min 0.9 1
for n in '1e4 1 40 25' '1e5 2 60 40' '1e6 3 300 220'; do
  # shellcheck disable=SC2086
  set -- $n
  skip=
  for ((i = 1; i < $2; i++)); do skip="$skip *[0-9.]+"; done
  row "event pop and push, $1 pending" "$(get queue "^exponential +event_queue$skip +$num")" ns \
    "$(get queue "^exponential +GTree$skip +$num")" GTree max "$3" "$4"
done
first=$(get verdict "^indexed, first +$num") last=$(get verdict "^indexed, last +$num")
linear=$(get verdict "^linear, last[^)]*[)] +$num")
row 'verdict, new connection, 10,000 Services, hot' "$last" ns "$linear" 'linear walk' max 400 150
row 'the same, last Service over first' "${first:+$(calc "$last / $first" 2)}" '' '' '' max 1.2 1.05
row 'linear walk, a rule' "${linear:+$(calc "$linear / 10000")}" ns '' '' max 6 3
row 'established: conntrack and rewrite, hot' "$(get conntrack "^ +1 entries: +$num")" ns \
  "$(get conntrack "^ +1 entries.*GHashTable +$num")" GHashTable max 80 40
row 'the same, 100,000 entries' "$(get conntrack "^ +100000 entries: +$num")" ns \
  "$(get conntrack "^ +100000 entries.*GHashTable +$num")" GHashTable max 400 300
row 'the same, 1,000,000 entries' "$(get conntrack "^ +1000000 entries: +$num")" ns \
  "$(get conntrack "^ +1000000 entries.*GHashTable +$num")" GHashTable max 400 300
row 'event' "$(get memory "^event +$num")" B '' '' max 48 32
row 'conntrack entry with its index' "$(get conntrack "^ +1000000 entries.* $num bytes an entry")" B '' '' max 160 96
row 'packet in flight' "$(get memory "^packet +$num")" B '' '' max 256 160
row 'endpoint, object read and filled in' "$(get memory "^endpoint .* $num as object")" B '' '' max 160 64
row 'endpoint of a Service with two ports, rules of all nodes' "$(get memory "^endpoint +$num")" B '' '' max 160 64
row 'Service with two ports, rules of all nodes' "$(get memory "^Service +$num")" B '' '' max 512 256
row 'pod that nobody has called, with its rules' "$(get memory "^pod +$num")" B '' '' max 512 192
row 'idle node' "$(get memory "^node +$num")" B '' '' max 8192 2048
row 'TCP connection, both ends, conntrack' "$(get memory "^connection +$num")" B '' '' max 2048 512
events=$(get rules "^libyaml.* ms +$num MB")
row 'YAML in' "$(get rules "^YAML.* ms +$num MB")" MB/s "$events" 'libyaml events' min 60 85
row 'JSON in' "$(get rules "^JSON.* ms +$num MB")" MB/s '' '' min 180 600
row 'rules as text, 10,000 x 10' "$(get rules "^text +$num ms")" ms '' '' max 200 80
change=$(get rules "^one endpoint changed.* +$num ms")
row 'one endpoint among 10,000 x 10 changed, until the rules are new' "${change:+$(calc "$change * 1000")}" us '' '' max 1000 50
for word in gone added; do
  change=$(get rules "^one Service $word.* +$num ms")
  row "one Service among 10,000 $word, until the rules are new" "${change:+$(calc "$change * 1000")}" us '' '' max 1000 50
done
for kind in JSON YAML; do
  f=$out/cluster.txt
  [ -f "$f" ] || continue
  read -r time heap <<<"$(awk -v kind=$kind '$1 == kind "," { on = 1; t = h = 0 } on && / s  heap/ && !/nodes and rules/ {
    for (i = 1; i <= NF; i++) { if ($i == "s") t += $(i - 1); if ($i == "MB") { x = $(i - 1); sub(/^\+/, "", x); h += x } } }
    on && /all, twice/ { on = 0; print t, h }' "$f")"
  row "5,000 nodes x 10,000 Services x 100,000 pods ready, $kind" "$time" s '' '' max 3 \
    "$([ $kind = JSON ] && echo 0.5 || echo 0.9)"
  row "the same, heap" "$heap" MB '' '' max 600 250
done
row '1,000,000 TCP connections through that cluster, read to reported' "$(get connections ": $num s of CPU")" s '' '' max 60 20
row 'the same, peak of memory' "$(get connections "peak $num GB")" GB '' '' max none 0.6
row 'article: start to files written, CPU' "$(get start "written: $num ms")" ms '' '' max 20 5
