#!/bin/sh
# Our rule text against the real tools, in a network namespace of its own:
#   - what we print for each dump of tests/conformance is accepted by iptables-restore and saved as the same text;
#   - each nft listing of tests/conformance/nft, which our listing equals, is accepted by nft, and is what nft lists after
#     the transaction that it belongs to.
# Prints SKIP and succeeds without root, namespaces or the tools.  usage: tests/kernel/text_roundtrip.sh [BUILD]
set -u
cd "$(dirname "$0")/../.." || exit 3
build=${1:-build}
ns=svcsim-text-$$
tmp=$(mktemp -d)
trap 'ip netns del $ns 2>/dev/null; rm -rf "$tmp"' EXIT INT TERM

skip() { echo "SKIP: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in ip iptables-nft iptables-nft-save iptables-nft-restore ip6tables-nft-restore nft; do
    command -v $tool >/dev/null || skip "no $tool"
done
ip netns add $ns 2>/dev/null || skip "no network namespaces"

cc -std=c11 -D_GNU_SOURCE -I. $(pkg-config --cflags glib-2.0) tests/kernel/reprint.c "$build/libsim.a" \
    $(pkg-config --libs glib-2.0 libpcap) -lm -o "$tmp/reprint" || exit 3

failed=0 passed=0
fail() { echo "FAIL: $1"; failed=$((failed + 1)); }
in_ns() { ip netns exec $ns "$@"; }

# ipsets that dumps name
if command -v ipset >/dev/null; then
    for set in $(grep -rhoE -- '--match-set [^ ]+' tests/conformance | cut -d' ' -f2 | sort -u); do
        in_ns ipset create "$set" hash:net 2>/dev/null
    done
fi

for dump in $(find tests/conformance -name '*.iptables-save' -o -name '*.ip6tables-save' | sort); do
    case $dump in *-legacy.*) continue ;; esac # In an order of their own.
    case $dump in *.ip6tables-save) t=ip6tables-nft ;; *) t=iptables-nft ;; esac
    grep -q nfacct "$dump" && continue # Needs objects that no tool here makes.
    "$tmp/reprint" "$dump" >"$tmp/ours" || { fail "$dump: not read"; continue; }
    in_ns $t-restore --test <"$tmp/ours" 2>"$tmp/err" || { fail "$dump: not accepted: $(cat "$tmp/err")"; continue; }
    in_ns nft flush ruleset
    in_ns $t-restore <"$tmp/ours" || { fail "$dump: not loaded"; continue; }
    in_ns $t-save | grep -v '^#' | sed 's/^\(:.*\)\[[0-9:]*\]$/\1[0:0]/' >"$tmp/theirs"
    if cmp -s "$tmp/ours" "$tmp/theirs"; then passed=$((passed + 1)); else
        fail "$dump: saved differently"
        diff "$tmp/ours" "$tmp/theirs" | head -10
    fi
done

for list in $(find tests/conformance -name '*.list' -path '*nft*' | sort); do
    in_ns nft flush ruleset
    in_ns nft -c -f "$list" 2>"$tmp/err" || { fail "$list: not accepted: $(head -3 "$tmp/err")"; continue; }
    # Declarations first: rules name chains that stand further down.
    for kind in table 'set\|map' chain rule element; do grep "^add \($kind\) " "${list%.list}.transaction"; done >"$tmp/all"
    in_ns nft -f "$tmp/all" || { fail "$list: not loaded"; continue; }
    in_ns nft list ruleset >"$tmp/theirs"
    if cmp -s "$list" "$tmp/theirs"; then passed=$((passed + 1)); else
        fail "$list: listed differently"
        diff "$list" "$tmp/theirs" | head -10
    fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ]
