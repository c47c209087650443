#!/usr/bin/env bash
# Drills the scenarios of this repository, from a fresh clone to the reports.
#
#     ci/drill.sh                       all of scenarios/
#     ci/drill.sh scenarios/plur.toml   one; every argument goes to `redrill run`
#
# Needs Rust, and either a container engine or a Debian-like machine. Exit code: that of `redrill run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
# The image and the build wait for different things, so they are made side by side.
need_server &
server=$!
say "building redrill and the APIs of the fixtures"
cargo build --workspace --locked --quiet
wait "$server" || exit 3
make_fixtures

target=${CARGO_TARGET_DIR:-target}
export_apis
if [ $# -eq 0 ]; then
    set -- scenarios
fi
case " $*" in
*" scenarios" | *" scenarios "* | *" scenarios/" | *-s3.toml*) serve_copies ;;
esac
# Not `exec`: the server of the copies ends with this script.
"$target/debug/redrill" run "$@"
