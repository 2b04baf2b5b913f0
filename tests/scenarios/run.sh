#!/bin/bash
# Every scenario of the tree runs: exit status 0, all expectations met, no error on stderr.  A scenario is a file with a
# document of that kind; manifests and profiles have none.  Numbers of profiles have their sources, with dates.
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
# Every line of a profile with a number names a source by its key, and every key stands at the top with a date.
for file in scenarios/profiles/*.yaml; do
    awk '
        /^#   \[[A-Za-z]+\] / { key = $2; dated[key] = /(January|February|March|April|May|June|July|August|September|October|November|December) 20[0-9][0-9]$/
            if (!dated[key]) { print "FAIL " FILENAME ":" NR ": source " key " has no date (Month YYYY)"; bad = 1 } }
        /^spec:/ { inside = 1; next }
        !inside || /^ +description:/ || /^ *#/ { next }
        { data = $0; sub(/  *#.*/, "", data); comment = substr($0, length(data) + 1); known = 0
          while (match(comment, /\[[A-Za-z]+\]/)) {
              key = substr(comment, RSTART, RLENGTH); comment = substr(comment, RSTART + RLENGTH); known++
              if (!(key in dated)) { print "FAIL " FILENAME ":" NR ": source " key " is not listed at the top"; bad = 1 } }
          if (data ~ /[0-9]/ && !known) { print "FAIL " FILENAME ":" NR ": a number without a source: " data; bad = 1 } }
        END { exit bad }' "$file" && passed=$((passed + 1)) || failed=$((failed + 1))
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
