#!/usr/bin/env bash
# Measures restores: redrill against psql and pg_restore, in one run on the same data. See harness/benches/README.md.
#
#     ci/bench.sh                                          every shape, three rounds
#     ci/bench.sh --shape mixed --scale 0.1 --rounds 1     one, smaller
#
# Needs a container engine, and room on the disk of the build's folder for a dump, an archive and a server with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
has_engine || die "no container engine answers: the servers that are compared run in containers"
ci/image.sh 17
exec cargo bench --workspace --bench restore --locked -- "$@"
