#!/bin/bash
# Random rules, packets and connections in a real kernel and in the simulator (tests/kernel/fuzz/fuzz.h); the same ones every time.
# usage: tests/kernel/rules_fuzz.sh [CASES]   needs root, ip, bridge, iptables-nft, nft, conntrack, ipset; skips otherwise
set -u
cd "$(dirname "$0")/../.."
exec timeout 300 "${BUILD:-build}/kernel_fuzz" -n "${1:-200}" -s 1
