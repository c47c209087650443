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

if [ $# -eq 0 ]; then
    set -- --jobs "$(nproc)" scenarios
fi
case " $*" in
*" scenarios" | *" scenarios "* | *" scenarios/" | *-s3.toml*) from_s3=yes ;;
*) from_s3= ;;
esac

need_cargo
# The image, packages, backups and the build wait for different things, so they are made side by side.
prepare() {
    need_server
    if [ -n "$from_s3" ]; then
        need_rclone
    fi
    make_fixtures
}
# The build decides how long this takes, and its last crate leaves processors idle, so it goes first where both compute.
(renice -n 19 "$BASHPID" >/dev/null && prepare) &
prepared=$!
say "building redrill and the APIs of the fixtures"
# A first build has nothing to reuse.
[ -e "${CARGO_TARGET_DIR:-target}/debug/redrill" ] || export CARGO_INCREMENTAL=0
cargo build --workspace --locked --quiet
wait "$prepared" || exit 3

target=${CARGO_TARGET_DIR:-target}
export_apis
if [ -n "$from_s3" ]; then
    serve_copies
fi
# Not `exec`: the server of the copies ends with this script.
"$target/debug/redrill" run "$@"
