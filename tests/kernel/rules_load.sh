#!/bin/bash
# Our rules load into a real kernel, and what it prints back is what we printed.
# usage: tests/kernel/rules_load.sh [PROGRAM]   needs root, iptables, nft; skips otherwise
set -u
program=${1:-build/svcsim}
ns=svcsim-load-$$
cases=tests/conformance/rules
fail=0 n=0

[ "$(id -u)" = 0 ] && command -v iptables-save nft ip >/dev/null || { echo "SKIP rules_load: needs root, iptables and nft"; exit 0; }
ip netns add "$ns" || { echo "SKIP rules_load: no network namespaces"; exit 0; }
work=$(mktemp -d)
trap 'ip netns del "$ns"; rm -r "$work"' EXIT

plain() { grep -v '^#' | sed -E 's/\[[0-9]+:[0-9]+\]/[0:0]/'; }

check_iptables() { # case node family tool
  "$program" rules "$cases/$1/config.yaml" "$cases/$1/manifests.yaml" --node "$2" --mode iptables --family "$3" \
    > "$work/ours" 2> "$work/errors" || { cat "$work/errors"; return 1; }
  ip netns exec "$ns" "$4-restore" --test < "$work/ours" || return 1
  ip netns exec "$ns" "$4-restore" < "$work/ours" || return 1
  # Tables and chains come in the tool's own order: compare table by table.
  for table in mangle filter nat; do
    ip netns exec "$ns" "$4-save" -t $table | plain > "$work/kernel"
    sed -n "/^\*$table\$/,/^COMMIT/p" "$work/ours" | plain | diff -u0 - "$work/kernel" | head -8 | grep . && return 1
  done
  return 0
}

check_nft() { # case node family version
  sed "s/kubernetesVersion: .*/kubernetesVersion: '$4'/" "$cases/$1/config.yaml" > "$work/config.yaml"
  "$program" rules "$work/config.yaml" "$cases/$1/manifests.yaml" --node "$2" --mode nftables --family "$3" \
    > "$work/ours" 2> "$work/errors" || { cat "$work/errors"; return 1; }
  ip netns exec "$ns" nft flush ruleset
  ip netns exec "$ns" nft -c -f "$work/ours" || return 1
  ip netns exec "$ns" nft -f "$work/ours" || return 1
  ip netns exec "$ns" nft list ruleset | sort > "$work/kernel"
  sort "$work/ours" | diff -u0 - "$work/kernel" | head -8 | grep . && return 1
  ip netns exec "$ns" nft flush ruleset
  return 0
}

report() { # name status
  n=$((n + 1))
  [ "$2" = 0 ] || { echo "FAIL $1"; fail=$((fail + 1)); }
}

for dir in "$cases"/*/; do
  name=$(basename "$dir")
  case $name in 26-*) nodes="minikube" ;; *) nodes="minikube minikube-m03" ;; esac
  for node in $nodes; do
    check_iptables "$name" "$node" ipv4 iptables; report "$name $node iptables ipv4" $?
    check_iptables "$name" "$node" ipv6 ip6tables; report "$name $node iptables ipv6" $?
    case $name in 26-*) continue ;; esac
    for version in 1.34 1.36; do
      for family in ipv4 ipv6; do
        check_nft "$name" "$node" $family $version; report "$name $node nftables $version $family" $?
      done
    done
  done
done
echo "$((n - fail)) passed, $fail failed"
[ "$fail" = 0 ]
