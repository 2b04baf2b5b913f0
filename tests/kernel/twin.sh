#!/bin/bash
# Scenarios played by the kernel in network namespaces and by the simulator: tests/kernel/twin/twin.py.  Needs root.
# Usage: twin.sh [all | FILE...]
# `all`, and files, are played in every kind of pod network that they name and in both modes (`make kernel-twin`); without
# arguments (`make test`) each mode has one of the networks.
set -u
cd "$(dirname "$0")/../.."
scenarios=$(grep -l "^kind: Scenario" scenarios/article/*.yaml tests/kernel/twin/*.yaml)
# Of the patterns those that are about what one kernel does with a packet, and need no time to pass.
scenarios="$scenarios $(echo scenarios/patterns/p{05,10-one,11,15,16-own,18-hairpin,34,35,40,41}*.yaml)"
short=--short
case ${1:-} in
"") ;;
all) short= scenarios="$scenarios $(echo scenarios/patterns/p{02,04,20,42,43}*.yaml)" ;;
*) short= scenarios=$* ;;
esac
# shellcheck disable=SC2086  # file names without blanks, and an option that may be missing
exec timeout -k 10 500 python3 tests/kernel/twin/twin.py $short --program "${BUILD:-build}/svcsim" $scenarios
