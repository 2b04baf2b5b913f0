#!/bin/bash
# Each fuzz target on its corpus and on damaged copies of it.
set -u
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
status=0 passed=0 failed=0

# target NAME COPIES PATH...
target() {
    local name=$1 copies=$2 out
    shift 2
    if out=$("$BUILD/fuzz_$name" -"$copies" "$@" 2>&1); then
        passed=$((passed + 1))
        echo "fuzz_$name: $(tail -n 1 <<<"$out")"
    else
        failed=$((failed + 1)) status=1
        echo "FAIL fuzz_$name"
        tail -n 20 <<<"$out"
    fi
}

target addr 2000 tests/corpus/addr
target wire 500 tests/corpus/wire
target rules 20 tests/corpus/rules tests/conformance/dumps
target scenario 60 tests/corpus/scenario tests/corpus/errors tests/corpus/input scenarios/article/manifests
echo "$passed passed, $failed failed, 0 skipped"
exit $status
