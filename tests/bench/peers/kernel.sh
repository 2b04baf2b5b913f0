#!/bin/bash
# This kernel beside the simulator: loading kube-proxy's rules, a verdict on the first and on the last Service, packets
# through a star.  Usage: tests/bench/peers/kernel.sh BUILD [SERVICES]...   (default: 1000 10000)
#
# Needs root; everything happens in network namespaces that it makes and removes.  Datagrams are sent from one processor
# to which the process is pinned; CPU time includes the softirqs that carry them.  Medians of five.  `nft -f` of 10,000
# Services takes minutes in one transaction (a linear walk for each map), so nftables gets 1,000 at most; NFT=10000
# raises that.
set -eu
build=$1
shift
[ $# -gt 0 ] || set -- 1000 10000
peer=$build/tests/bench/peers/kernel_peer
prefix=bench-$$
dir=$(mktemp -d)
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
TIMEFORMAT='%U %S %R'
cpu=$(($(nproc) - 1))
runs=5

for tool in ip nft iptables-legacy-restore iptables-nft-restore taskset; do
  command -v $tool >/dev/null || { echo "SKIP kernel: no $tool"; exit 77; }
done
if [ "$(id -u)" != 0 ] || ! ip netns add "$prefix-probe" 2>/dev/null; then
  echo "SKIP kernel: needs root and network namespaces"
  exit 77
fi
made=("$prefix-probe")
cleanup() {
  for ns in "${made[@]}"; do ip netns del "$ns" 2>/dev/null || true; done
  made=()
}
trap 'cleanup; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
ip netns exec "$prefix-probe" sh -c 'iptables-legacy -t nat -L -n && nft list ruleset' >/dev/null 2>&1 || { echo "SKIP kernel: no netfilter in namespaces"; exit 77; }
cleanup

in_ns() { local ns=$prefix-$1; shift; ip netns exec "$ns" "$@"; }
make_ns() {
  for ns; do
    ip netns add "$prefix-$ns"
    made+=("$prefix-$ns")
    ip -n "$prefix-$ns" link set lo up
    in_ns "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
  done
}
# link A DEV B DEV: a veth; what B routes to A is said by the caller.
link() {
  ip link add "$2" netns "$prefix-$1" type veth peer name "$4" netns "$prefix-$3"
  ip -n "$prefix-$1" link set "$2" up
  ip -n "$prefix-$3" link set "$4" up
}
route() { local ns=$prefix-$1; shift; ip -n "$ns" route add "$@"; }
# A leaf whose default route leads to the hub by a link-local gateway, as pods have it; a node, both, needs two.
leaf() { # LEAF HUB DEV PREFIX...
  local name=$1 hub=$2 dev=$3 gateway=169.254.2.1
  shift 3
  [ "$hub" = router ] && gateway=169.254.1.1
  link "$hub" "$dev" "$name" eth0
  ip -n "$prefix-$hub" address add $gateway/32 dev "$dev"
  route "$name" $gateway/32 dev eth0
  route "$name" default via $gateway dev eth0
  for p; do
    ip -n "$prefix-$name" address add "${p%/*}/32" dev eth0
    [ "${p#*/}" = 32 ] || route "$name" local "$p" dev lo
    route "$hub" "$p" dev "$dev"
  done
}
# Pods count what comes and let it go: nobody answers.
sink() {
  in_ns "$1" nft 'add table ip sink; add counter ip sink got; add chain ip sink pre { type filter hook prerouting priority -350; }
    add rule ip sink pre udp dport 8081 counter name got drop'
}
got() { in_ns "$1" nft list counter ip sink got | awk '/packets/ { print $2 }'; }
flood() { # NS SOURCE ADDRESSES FLOWS PACKETS TO...: ns of CPU a packet
  local ns=$1
  shift
  in_ns "$ns" taskset -c "$cpu" "$peer" flood "$@"
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
rules() { "$build/svcsim" rules "$1" --node node-0 >"$dir/rules"; }
restore() { # MODE FILE
  case $1 in
  iptables-legacy | iptables-nft) in_ns node "$1-restore" <"$2" ;;
  nftables) in_ns node nft -f "$2" ;;
  esac
}

# The benches' cluster, without the counter object that no tool here can make.
manifests() { "$peer" yaml "$@" | sed 's/^  network:/  kernel: {nfacct: []}\n&/'; }
# What a command takes, in words.
timed() { { time "$@" 2>"$dir/err"; } 2>"$dir/time" || { cat "$dir/err" >&2; exit 1; }; awk '{ printf "%.2f s of CPU, %.2f s", $1 + $2, $3 }' "$dir/time"; }

# --- Rules: client - node - pods ---
# Flows begin at a pod's address on the node, so that nothing is masqueraded.
new_flows=20000
verdicts() { # MODE SERVICES FIRST LAST
  local mode=$1 services=$2 first=$3 last=$4 source=0 n
  : >"$dir/first"
  : >"$dir/last"
  : >"$dir/established"
  for ((i = 0; i < runs; i++)); do
    flood client "10.127.$((source++)).1" 250 $new_flows $new_flows "$first" >>"$dir/first"
    flood client "10.127.$((source++)).1" 250 $new_flows $new_flows "$last" >>"$dir/last"
    flood client "10.127.$((source - 2)).1" 250 250 200000 "$first" >>"$dir/established"
  done
  for n in first last established; do median <"$dir/$n" >"$dir/median-$n"; done
  printf '%-16s %6d Services: new connection to the first %d ns of CPU a packet, to the last %d (%s ns a Service), established %d\n' \
    "$mode" "$services" "$(<"$dir/median-first")" "$(<"$dir/median-last")" \
    "$(awk -v a="$(<"$dir/median-first")" -v b="$(<"$dir/median-last")" -v n="$services" 'BEGIN { printf "%.1f", (b - a) / (n - 1) }')" \
    "$(<"$dir/median-established")"
  local expected=$((runs * (2 * new_flows + 200000)))
  n=$(got pods)
  [ "$n" -eq "$expected" ] || echo "$mode: of $expected packets only $n arrived: the figures are too low"
}

for services; do
  manifests 500 "$services" 10 1 iptables >"$dir/cluster"
  manifests 500 "$services" 10 1 nftables >"$dir/cluster-nft"
  for mode in iptables-legacy iptables-nft nftables; do
    cluster=$dir/cluster
    if [ $mode = nftables ]; then
      [ "$services" -le "${NFT:-1000}" ] || continue
      cluster=$dir/cluster-nft
    fi
    ours=$(timed rules "$cluster")
    make_ns client node pods
    leaf client node c0 10.127.0.0/16
    leaf pods node p0 10.64.0.0/12
    sink pods
    kernels=$(timed restore $mode "$dir/rules")
    printf '%-16s %6d Services, %d lines: loaded in %s; svcsim rules, from manifests to the same text: %s\n' \
      $mode "$services" "$(wc -l <"$dir/rules")" "$kernels" "$ours"
    if [ $mode = nftables ]; then
      verdicts $mode "$services" 10.128.0.2 "10.$((128 + (services - 1) / 62500)).$(((services - 1) / 250 % 250)).$((2 + (services - 1) % 250))"
    else
      verdicts $mode "$services" "$(sed -nE 's/^-A KUBE-SERVICES -d ([0-9.]+).*--dport 81 .*/\1/p' "$dir/rules" | head -n 1)" \
        "$(sed -nE 's/^-A KUBE-SERVICES -d ([0-9.]+).*--dport 81 .*/\1/p' "$dir/rules" | tail -n 1)"
    fi
    cleanup
  done
done
echo "ours, beside it:"
"$build/tests/bench/bench_verdict" | grep -E 'first|last'

# --- The star of bench_star: 50 clients - router - 10 nodes - 100 pods, one way ---
manifests 10 10 10 50 iptables >"$dir/cluster"
make_ns router clients
leaf clients router c0 198.18.0.0/24
for ((i = 0; i < 10; i++)); do
  make_ns node$i pods$i
  leaf node$i router n$i "172.16.0.$((2 + i))/32"
  leaf pods$i node$i p0 "10.64.$i.0/24"
  sink pods$i
  route router "10.64.$i.0/24" via "172.16.0.$((2 + i))" dev n$i onlink
  route router "10.128.0.$((2 + i))/32" via "172.16.0.$((2 + i))" dev n$i onlink
  "$build/svcsim" rules "$dir/cluster" --node node-$i | in_ns node$i iptables-legacy-restore
done
crossings() { # Packets sent over all veths.
  for ns in "${made[@]}"; do ip -n "$ns" -s -o link show type veth; done | grep -oE 'TX: .*' | awk '{ n += $(NF - 4) } END { print n }'
}
to=()
for ((i = 0; i < 10; i++)); do to+=("10.128.0.$((2 + i))"); done
flood clients 198.18.0.2 50 50 5000 "${to[@]}" >"$dir/warm"
n_packets=300000
before=$(crossings)
cost=$(for ((i = 0; i < runs; i++)); do flood clients 198.18.0.2 50 50 $n_packets "${to[@]}"; done | median)
hops=$(($(crossings) - before))
awk -v hops="$hops" -v n="$((runs * n_packets))" -v cost="$cost" 'BEGIN {
  printf "star: %d ns of CPU a packet of %.2f hops = %.2f M packet-hops/s with conntrack and rules\n", cost, hops / n, hops / n / cost * 1000 }'
echo "ours, beside it:"
"$build/tests/bench/bench_star"
