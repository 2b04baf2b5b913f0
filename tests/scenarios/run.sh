#!/bin/bash
# Every scenario of the tree runs: exit status 0, all expectations met, no error on stderr.  A scenario is a file with a
# document of that kind; manifests and profiles have none.
set -u
cd "$(dirname "$0")/../.."
SVCSIM=${SVCSIM:-$PWD/build/svcsim}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

while read -r file; do
    "$SVCSIM" run "$file" >"$dir/out" 2>"$dir/err"
    status=$?
    if [ $status -eq 0 ] && ! grep -q ': error: ' "$dir/err"; then
        passed=$((passed + 1))
        continue
    fi
    failed=$((failed + 1))
    echo "FAIL $file: exit status $status"
    grep -A 6 -E '^ +FAILED' "$dir/out" | head -n 24
    head -n 6 "$dir/err"
done < <(grep -lrE '^kind: Scenario' scenarios --include='*.yaml' | LC_ALL=C sort)
for file in scenarios/article/*.yaml; do
    [ "$(wc -l <"$file")" -lt 80 ] || { echo "FAIL $file: 80 lines or more"; failed=$((failed + 1)); }
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
