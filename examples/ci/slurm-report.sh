#!/bin/bash
# Slurm: joins what the tasks of slurm-boot.sh have written.
#SBATCH --job-name=boot-report
#SBATCH --time=00:05:00
ferry smoke merge part*.json --junit smoke.xml
