#!/bin/bash
# Merges what the tasks of slurm-array.sh reported; its argument is the id of the array. The exit code of this job is that of all.
#SBATCH --job-name=merge-drills
#SBATCH --time=00:15:00
#SBATCH --output=merge-drills-%j.log
set -euo pipefail
: "${REDRILL_STATE:?the state that all tasks wrote to}"
exec redrill merge --batch "slurm-$1" --reports reports/out
