#!/bin/bash
# Scenarios played by the kernel in network namespaces and by the simulator: tests/kernel/twin/twin.py.  Needs root.
# `make kernel-twin` plays each in both kinds of pod network and both modes; here each mode has one of the networks.
set -u
cd "$(dirname "$0")/../.."
scenarios=$(grep -l "^kind: Scenario" scenarios/article/*.yaml tests/kernel/twin/*.yaml)
# shellcheck disable=SC2086  # file names without blanks
exec timeout -k 10 500 python3 tests/kernel/twin/twin.py --short --program "${BUILD:-build}/svcsim" $scenarios
