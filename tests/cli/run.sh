#!/bin/bash
# Commands and their output, in one file: tests/cli/**/*.t   Usage: tests/cli/run.sh [FILE.t]...
#
#   $ svcsim get web.yaml pods      a command, run by bash in the file's own folder
#   NAME   READY ...                what it prints
#   ! svcsim get: ...               what it prints on standard error
#   [2]                             its exit status, unless 0
#
# Other lines before the first command are comments.  An empty line in the output stands as an empty line; the next
# command ends it.  UPDATE=1 writes down what comes out.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export PATH=$(dirname "${SVCSIM:-$root/${BUILD:-build}/svcsim}"):$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8 TZ=UTC COLUMNS=80
command -v svcsim >/dev/null || { echo "no program to test: make first"; exit 3; }
passed=0 failed=0
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
export SCRATCH=$scratch

# Prints the file as it should be: comments, commands, and what they print now.
replay() {
    local line started=
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line == '$ '* ]]; then
            started=1
            printf '%s\n' "$line"
            bash -c "${line#\$ }" >"$scratch/out" 2>"$scratch/err" </dev/null
            local status=$?
            cat "$scratch/out"
            sed 's/^/! /' "$scratch/err"
            [ $status -eq 0 ] || echo "[$status]"
        elif [ -z "$started" ]; then
            printf '%s\n' "$line"
        fi
    done
}

if [ $# -gt 0 ]; then
    files=$(realpath "$@")
else
    files=$(find "$here" -name '*.t' | sort)
fi
for file in $files; do
    cd "$(dirname "$file")" || exit 3
    replay <"$file" >"$scratch/new"
    if cmp -s "$file" "$scratch/new"; then
        passed=$((passed + 1))
    elif [ -n "${UPDATE:-}" ]; then
        cp "$scratch/new" "$file"
        echo "updated ${file#"$root"/}"
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL ${file#"$root"/}"
        diff -u "$file" "$scratch/new" | tail -n +3 | head -60
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
