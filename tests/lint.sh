#!/bin/sh
# Format, ban list (what would make runs depend on chance or on addresses), and clang-tidy where it is installed.
# Usage: tests/lint.sh [FILE.c]...   (clang-tidy on those files only; default: all of sim, model and tools)
set -u
cd "$(dirname "$0")/.."
status=0
files=$(find sim model tools tests -name '*.[ch]' | LC_ALL=C sort)

if command -v clang-format >/dev/null 2>&1; then
    # shellcheck disable=SC2086  # file names without blanks
    clang-format --dry-run -Werror $files || status=1
else
    echo "SKIP format: no clang-format"
fi

# Order, clocks and chance that cannot reach an output, each for its reason:
#   nf_seal.c sums over a hash table; the sorts below compare by something that is unique, or bare numbers.
banned='g_hash_table_iter_|g_hash_table_foreach|g_hash_table_get_(keys|values)|g_direct_hash|\<s?rand(om)?(48)?\(|\<time\(|gettimeofday\(|clock_gettime\(|g_get_(real|monotonic)_time|\<qsort\('
allowed='g_cond_wait_until\(|nf_seal.c:[0-9]*:.*g_hash_table_iter_|qsort\(.*(elem_cmp|id_cmp|compare_by_id|compare_keys|compare_entries|compare_labels|compare_objects|compare_steps|compare_diags|compare_victims|compare_written|compare_age|compare_times|compare_counts|candidate_cmp|list_cmp|name_cmp)\)'
# shellcheck disable=SC2046  # file names without blanks
if grep -nE "$banned" $(find sim model tools -name '*.[ch]') | grep -vE "$allowed"; then
    echo 'banned: iteration over hash tables, wall clocks, rand() and unstable sorts (see tests/lint.sh)' >&2
    status=1
fi
if grep -nE '(^|[^:"'\''])//' $(find sim model tools tests -name '*.[ch]') /dev/null | grep -vE '"[^"]*//|\*.*//|/\*'; then
    echo 'comments are /* */' >&2
    status=1
fi

if command -v clang-tidy >/dev/null 2>&1; then
    sources=${*:-$(find sim model tools -name '*.c' | LC_ALL=C sort)}
    mkdir -p build
    echo "$sources" | tr ' ' '\n' | xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p . 2>/dev/null >build/tidy.log || status=1
    grep -E 'warning:|error:' build/tidy.log | sort -u
else
    echo "SKIP clang-tidy: not installed"
fi
exit $status
