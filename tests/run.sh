#!/bin/bash
# Runs the parts of the test suite and sums them up.  Usage: tests/run.sh [PART]...   (make test PART="unit-sim errors")
#
# A part is a command.  Its last line "N passed, N failed, N skipped" counts; without such a line its exit status does
# (0 passed, 77 skipped).  Lines that begin with SKIP are shown: what did not run is never silent.
set -u
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-build} MAKE=${MAKE:-make} CC=${CC:-cc} SVCSIM=$PWD/${BUILD:-build}/svcsim
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin PYTHONDONTWRITEBYTECODE=1
logs=$BUILD/test-logs
mkdir -p "$logs"
wanted=" $* "
passed=0 failed=0 skipped=0 broken= known=

# part NAME COMMAND...
part() {
    local name=$1 log=$logs/${1//\//-}.log status counts start=$SECONDS
    shift
    known="$known $name"
    [[ $wanted == "  " || $wanted == *" $name "* ]] || return 0
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1)
    if [ -z "$counts" ]; then
        case $status in
        0) counts="1 passed, 0 failed, 0 skipped" ;;
        77) counts="0 passed, 0 failed, 1 skipped" ;;
        *) counts="0 passed, 1 failed, 0 skipped" ;;
        esac
    fi
    # shellcheck disable=SC2086  # "N passed, N failed, N skipped" as words
    set -- $counts
    # A part that ends badly without owning up to a failure has failed.
    [ $status -ne 0 ] && [ $status -ne 77 ] && [ "$3" -eq 0 ] && set -- "$1" passed, 1 failed, "$5" skipped
    passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
    printf '%-14s %5d passed %3d failed %3d skipped %4d s\n' "$name" "$1" "$3" "$5" $((SECONDS - start))
    grep '^SKIP' "$log" | sed 's/^/    /'
    [ "$5" -gt 0 ] && ! grep -q '^SKIP' "$log" && grep -v '^[0-9]* passed' "$log" | tail -n 1 "$log" | sed 's/^/    SKIP: /'
    if [ "$3" -gt 0 ]; then
        broken="$broken $name"
        { grep -E '^(FAIL|not ok|error)|FAILED' "$log" || true; tail -n 30 "$log"; } | head -n 60 | sed 's/^/    | /'
    fi
}

part layers "$MAKE" -s layers
part headers "$MAKE" -s headers
part unit-sim "$BUILD/unit-sim"
part unit-model "$BUILD/unit-model"
part conformance "$BUILD/conformance"
part guard bash tests/bench/guard.sh "$BUILD"
for script in tests/{flow,cli,errors,scenarios,article,whatif,capture,determinism,fuzz}/run.sh; do
    [ -e "$script" ] && part "$(basename "$(dirname "$script")")" bash "$script"
done
# A live kernel is asked only where network namespaces can be made and entered: root, and not in every container.
namespaces() {
    local name=svcsim-probe-$$ ok
    [ "$(id -u)" -eq 0 ] && ip netns add "$name" 2>/dev/null || return 1
    ip netns exec "$name" true 2>/dev/null
    ok=$?
    ip netns del "$name"
    return $ok
}
no_namespaces() {
    echo "SKIP no network namespaces here (they need root)"
    return 77
}
live=yes
namespaces || live=
for script in tests/kernel/*.py tests/kernel/*.sh; do
    [ -e "$script" ] || continue
    name=kernel/$(basename "${script%.*}")
    if [ -z "$live" ]; then
        part "$name" no_namespaces
    elif [ "${script##*.}" = py ]; then
        part "$name" python3 "$script"
    else
        part "$name" bash "$script"
    fi
done

for name in "$@"; do
    [[ "$known " == *" $name "* ]] && continue
    echo "no part is called $name; there are:$known"
    failed=$((failed + 1))
done
[ -z "$broken" ] || echo "failed parts:$broken (logs in $logs/)"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
