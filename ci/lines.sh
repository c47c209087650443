#!/usr/bin/env bash
# Counts the Rust code of the workspace that is not a test: no blank lines, no comments, no
# `#[cfg(test)] mod … { … }`, no file of tests.
#
#     ci/lines.sh              files, lines, median, files over 400 lines, and a row for each folder
#     ci/lines.sh --files      a row for each file, the longest first
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# "lines of code <tab> path" for each file. A test module is recognised by its attribute and ends at
# the next `}` in the first column, which is where rustfmt puts it.
count() {
    git ls-files -co --exclude-standard 'harness/*.rs' |
        grep -vE '(^|/)(tests|benches|fuzz_targets)(/|\.rs$)' |
        while IFS= read -r file; do
            [ -f "$file" ] || continue
            awk -v file="$file" '
                /^#\[cfg\((all\()?test/ { test = 1; next }
                test && /^(mod|use|fn|pub\(crate\) mod) .*;$/ { test = 0; next }
                test && /^}/ { test = 0; next }
                test { next }
                /^[[:space:]]*\/\*/ { block = 1 }
                block { if (/\*\//) block = 0; next }
                /^[[:space:]]*$/ || /^[[:space:]]*\/\// { next }
                { lines++ }
                END { printf "%d\t%s\n", lines, file }' "$file"
        done
}

if [ "${1:-}" = --files ]; then
    count | sort -rn
    exit
fi
count | sort -n | awk -F '\t' '
    { lines[NR] = $1; total += $1; long += $1 > 400
      folder = $2; sub(/^harness\//, "", folder); sub(/^src\//, "", folder)
      if (folder !~ /\//) folder = "(top)"; else sub(/\/.*/, "/", folder)
      of[folder] += $1 }
    END {
        printf "files            %6d\n", NR
        printf "lines            %6d\n", total
        printf "median           %6d\n", lines[int((NR + 1) / 2)]
        printf "over 400 lines   %6d\n", long
        for (folder in of) printf "%-16s %6d\n", folder, of[folder] | "sort -k2 -rn"
    }'
