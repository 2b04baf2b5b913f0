#!/bin/bash
# Captures as another program reads them.
cd "$(dirname "$0")/../.." || exit 3
command -v tshark >/dev/null || { echo "SKIP captures: no tshark"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
python3 tests/capture/captures.py "${SVCSIM:-$PWD/build/svcsim}"
