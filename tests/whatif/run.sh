#!/bin/bash
# whatif and advise: loss windows against hand arithmetic, exact shares, the same bytes on one core and on many, Ctrl-C.
set -u
cd "$(dirname "$0")/../.."
export SVCSIM=${SVCSIM:-$PWD/build/svcsim}
exec python3 tests/whatif/check.py
