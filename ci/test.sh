#!/usr/bin/env bash
# Runs the tests: units, the integration binary against real servers of both providers, and the drills of
# scenarios/. Further versions, formats, systems and faults are in ci/slow.sh, and the whole table of faults of checks in
# ci/broken.sh. Sets up what a fresh machine lacks.
#
#     ci/test.sh                 everything
#     ci/test.sh check::rls      what matches, as `cargo test` does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
# The build needs the processor; all else waits for the network, packages and servers.
prepare() {
    need_servers_of_tests
    need_local_postgres
    need_compressors
    need_pgbackrest
    need_barman
    need_s3_servers
    need_promtool
    need_kubernetes_validate
    need_groff
    need_shells
    need_postgres_16
    need_python_migrations
    need_browser
    make_fixtures
}
prepare &
prepared=$!
say "building the tests"
# In one call: with other packages or targets the same crates have other features, and are built again.
cargo build --workspace --lib --bins --tests --locked --quiet
wait "$prepared" || exit 3
need_s3_servers
need_promtool
need_kubernetes_validate
need_postgres_16
need_python_migrations
need_browser

serve_copies

target=${CARGO_TARGET_DIR:-target}
export_apis
# One set of templates of servers for all tests, outside the home of the user.
mkdir -p "$target/tmp"
XDG_CACHE_HOME="$(realpath "$target")/tmp"
export XDG_CACHE_HOME
# A test waits for its server about as long as it computes.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((3 * $(nproc)))}"
# Not `exec`: the server of the copies ends with this script.
cargo test --workspace --locked "$@"
