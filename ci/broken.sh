#!/usr/bin/env bash
# Runs the whole table of fixtures/broken/table: every fault against every check, and every harmless change.
# Prints the score, and fails where a fault is missed or a check alarms about something else.
#
#     ci/broken.sh                    all of it, some minutes
#     ci/broken.sh A02 G harmless     what begins so
#
# Needs a container engine: the changed dumps are made in a container.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
has_engine || die "no container engine answers: the changed dumps are made in a container"
need_servers_of_tests &
server=$!
say "building the tests"
# The whole workspace, as ci/test.sh does: for one package alone the same crates would be built again.
cargo build --workspace --bins --test it --locked --quiet
wait "$server" || exit 3
fixtures/databases/plur/make.sh
export_apis
export REDRILL_BROKEN="$*"
exec cargo test --workspace --test it --locked --quiet -- --ignored --nocapture --exact --test-threads 1 \
    broken::every_fault_is_caught_and_nothing_harmless_alarms \
    broken::selected::selected_checks_catch_every_fault_that_they_can \
    check::baseline::every_change_of_the_table_is_seen_by_the_baseline_alone \
    drill::caracal::every_fault_fails_its_own_checks_and_no_other
