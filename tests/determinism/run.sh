#!/bin/bash
# The same scenario and seed give the same bytes in every output file: run twice, without the rules' index, and by the
# other compiler's program.  Objects written in reverse order give the same outcomes.
set -u
cd "$(dirname "$0")/../.."
SVCSIM=${SVCSIM:-$PWD/build/svcsim} MAKE=${MAKE:-make}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0 skipped=0

verdict() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL $name"; fi
}

other=
if command -v clang >/dev/null && command -v gcc >/dev/null; then
    # The compiler that did not build the program under test.
    compiler=clang
    case ${CC:-cc} in *clang*) compiler=gcc ;; esac
    # Without the outer make's EXTRA (sanitizers): a plain build in a folder of its own.
    if env -u MAKEFLAGS -u EXTRA -u CFLAGS -u BUILD make -s -j"$(nproc)" CC=$compiler BUILD=build-$compiler EXTRA=-Werror \
        >"$dir/log" 2>&1; then
        other=$PWD/build-$compiler/svcsim
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $compiler does not build it without warnings"
        tail -n 20 "$dir/log"
    fi
else
    skipped=$((skipped + 1))
    echo "SKIP the other compiler: gcc and clang are not both here"
fi

# outputs PROGRAM NAME FILE OPTION...
outputs() {
    local program=$1 name=$2
    shift 2
    "$program" run "$@" --out "$dir/$name" >"$dir/$name.txt" 2>&1
    sed -i "s|$dir/$name|OUT|g" "$dir/$name.txt"
}
same() { diff -rq "$dir/$1" "$dir/$2" && cmp "$dir/$1.txt" "$dir/$2.txt"; }

for file in scenarios/article/*.yaml; do
    rm -rf "$dir"/[abcd]*
    outputs "$SVCSIM" a "$file"
    outputs "$SVCSIM" b "$file"
    verdict "$file differs from run to run" same a b
    if [ -n "$other" ]; then
        outputs "$other" c "$file"
        verdict "$file differs between compilers" same a c
    fi
    outputs "$SVCSIM" d "$file" --no-index
    verdict "$file differs without the index" same a d
done
for seed in 2 3; do
    rm -rf "$dir"/[abcd]*
    outputs "$SVCSIM" a scenarios/article/13-extra-hop.yaml --seed 1
    outputs "$SVCSIM" b scenarios/article/13-extra-hop.yaml --seed $seed
    verdict "seed $seed changes nothing" bash -c "! cmp -s '$dir/a/flows.json' '$dir/b/flows.json'"
done

python3 tests/determinism/reverse.py "$SVCSIM" >"$dir/reverse" || cat "$dir/reverse"
read -r more _ wrong _ < <(tail -n 1 "$dir/reverse")
echo "$((passed + more)) passed, $((failed + wrong)) failed, $skipped skipped"
[ $((failed + wrong)) -eq 0 ]
