#!/bin/bash
# Scenarios played by the kernel in network namespaces and by the simulator: tests/kernel/twin/twin.py.  Needs root.
set -u
cd "$(dirname "$0")/../.."
scenarios=$(grep -l "^kind: Scenario" scenarios/article/*.yaml tests/kernel/twin/*.yaml)
# shellcheck disable=SC2086  # file names without blanks
exec timeout -k 10 400 python3 tests/kernel/twin/twin.py --program "${BUILD:-build}/svcsim" $scenarios
