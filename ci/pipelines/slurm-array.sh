#!/bin/bash
# Many databases, drilled by the tasks of an array, and merged when all have ended:
#     drills=$(sbatch --parsable slurm-array.sh)
#     sbatch --dependency="afterany:$drills" slurm-merge.sh "$drills"
# REDRILL_STATE is one that all nodes reach: s3://bucket/prefix with its keys, or a folder on a shared file system.
#SBATCH --job-name=restore-drills
#SBATCH --array=1-4
#SBATCH --time=02:00:00
#SBATCH --output=restore-drills-%A-%a.log
set -euo pipefail
: "${REDRILL_STATE:?the state that all tasks write to}"
# The id of the array names the batch, Slurm numbers the tasks.
exec redrill run "${SCENARIOS:-scenarios}" --server local --shard auto --reports "reports/out/$SLURM_ARRAY_TASK_ID"
