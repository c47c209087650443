#!/usr/bin/env bash
# Runs the tests that ci/test.sh leaves out because they take long: further versions, formats, providers and systems, the rest of long
# lists of faults of which ci/test.sh tries some, and a few faults that only they try.
#
#     ci/slow.sh                    all of them
#     ci/slow.sh drill::encodings   what matches, as `cargo test` does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh
need_pgbackrest_of_trixie

# What other scripts run, and what is no test by itself.
others=(
    broken::every_fault_is_caught_and_nothing_harmless_alarms
    broken::selected::selected_checks_catch_every_fault_that_they_can
    check::baseline::every_change_of_the_table_is_seen_by_the_baseline_alone
    drill::caracal::every_fault_fails_its_own_checks_and_no_other
    libtest::as_the_tests_of_a_project
    rehearse::changes::reading_takes
    rehearse::observe::cost::
    rehearse::systems::a_backfill_in_one_statement_is_unsafe
    rehearse::tools::
    restore::regression::
    state::slurm::
)
skipped=()
for other in "${others[@]}"; do
    skipped+=(--skip "$other")
done
exec ci/test.sh --test it -- --ignored "${skipped[@]}" "$@"
