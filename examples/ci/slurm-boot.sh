#!/bin/bash
# Slurm: a job array shares the tests of tests.json, and slurm-report.sh joins its reports:
#   sbatch --dependency=afterany:$(sbatch --parsable slurm-boot.sh) slurm-report.sh
#SBATCH --job-name=boot
#SBATCH --array=1-4
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=00:30:00
ferry smoke tests.json --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    --json "part$SLURM_ARRAY_TASK_ID.json" --output consoles
