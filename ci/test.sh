#!/usr/bin/env bash
# Runs all tests: units, the integration binary against real servers of both providers, and the
# drills of scenarios/. Of the table of faults only a part: ci/broken.sh runs all of it. Sets up what a
# fresh machine lacks.
#
#     ci/test.sh                 everything
#     ci/test.sh check::rls      what matches, as `cargo test` does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
need_servers_of_tests &
server=$!
say "building the tests"
cargo build --workspace --locked --quiet
cargo test --workspace --locked --quiet --no-run
wait "$server" || exit 3
need_local_postgres
need_compressors
need_s3_servers
fixtures/databases/plur/make.sh
fixtures/databases/powernode/make.sh

target=${CARGO_TARGET_DIR:-target}
export PLUR_API="${PLUR_API:-$(realpath "$target")/debug/plur-api}"
export POWERNODE_API="${POWERNODE_API:-$(realpath "$target")/debug/powernode-api}"
exec cargo test --workspace --locked "$@"
