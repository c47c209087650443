#!/usr/bin/env bash
# Drills an array of a real Slurm: slurmctld, slurmd and munged of Debian's slurm-wlm, in a folder of the test and on ports from
# the system. Root only, since slurmd starts jobs.
#
#     ci/slurm.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/setup.sh

need_cargo
need_server
need_slurm() {
    local program
    for program in slurmctld slurmd munged sbatch; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || { install_packages slurm-wlm munge; return; }
    done
}
need_slurm
cargo test --package redrill --test it --locked state::slurm -- --ignored
