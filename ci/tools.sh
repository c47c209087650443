#!/usr/bin/env bash
# Rehearses releases that real migration tools run: Alembic and Django, sqlx-cli and refinery, and the
# histories of golang-migrate, Flyway and Drizzle by psql. Compiles and installs the tools once, into the build's own folder.
#
#     ci/tools.sh             all of it, some minutes
#     ci/tools.sh django      what matches
#
# Needs a container engine: the databases are made in a container.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
has_engine || die "no container engine answers: the databases are made in a container"
need_servers_of_tests
need_local_postgres
need_python_migrations
need_rust_migrations
say "building the tests"
# The whole workspace, as ci/test.sh does: for one package alone the same crates would be built again.
cargo build --workspace --bins --test it --locked --quiet
fixtures/databases/plur/make.sh
export_apis
# One set of templates of servers for all tests, outside the home of the user.
target=$(realpath "${CARGO_TARGET_DIR:-target}")
mkdir -p "$target/tmp"
export XDG_CACHE_HOME=$target/tmp
if [ $# -eq 0 ]; then
    set -- rehearse::tools rehearse::systems
fi
exec cargo test --workspace --test it --locked --quiet -- --include-ignored "$@"
