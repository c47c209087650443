#!/usr/bin/env bash
# What needs no server: format, lints, documentation, licences. Generated files (schemas, help,
# golden reports) are compared by the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
echo "format" >&2
cargo fmt --all --check
echo "lints" >&2
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
cargo check --package redrill --no-default-features --locked --quiet
echo "documentation" >&2
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
echo "licences" >&2
# Every crate that is linked must offer a licence that asks for no more than its notice.
strange=$(cargo tree --workspace --edges normal --prefix none --format '{p} {l}' --locked |
    sort -u | grep -vE '(MIT|Apache-2\.0|BSD-[23]-Clause|ISC|Unicode-3\.0|Zlib|CC0-1\.0|Unlicense|CDLA-Permissive-2\.0|BSL-1\.0)' || true)
if [ -n "$strange" ]; then
    printf 'licences to look at:\n%s\n' "$strange" >&2
    exit 1
fi
