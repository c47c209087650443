#!/usr/bin/env bash
# Dumps the database that PostgreSQL's own regression tests leave behind, and restores it: it must be PROVEN, and what
# several sessions restore must be what psql restores: catalog, rows, roles and errors.
#
#     ci/regression.sh                some minutes the first time, then one
#
# Needs Debian's apt-get with mirrors that have sources, for the tests; see fixtures/databases/regression/make.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
need_local_postgres
fixtures/databases/regression/make.sh &
made=$!
say "building the tests"
# The whole workspace, as ci/test.sh does: for one package alone the same crates would be built again.
cargo build --workspace --bins --test it --locked --quiet
wait "$made" || exit 3
cat fixtures/databases/regression/out/summary >&2

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/tmp"
XDG_CACHE_HOME="$(realpath "$target")/tmp"
export XDG_CACHE_HOME
exec cargo test --workspace --test it --locked --quiet -- --ignored --nocapture --test-threads 1 restore::regression::
