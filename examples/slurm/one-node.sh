#!/bin/bash
#SBATCH --job-name=durometer
#SBATCH --nodes=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
# Usage: sbatch one-node.sh STUDY.yaml RUN_FOLDER [more options of `durometer run`, such as --device cuda]
set -euo pipefail

study=$1 run=$2
shift 2

durometer run "$study" --out "$run" --workers "${SLURM_GPUS_ON_NODE:-$SLURM_CPUS_PER_TASK}" "$@" &
driver=$!
# Before the time limit: end the driver cleanly, then ask for another turn. Finished work is kept.
trap 'kill -TERM $driver; wait $driver; scontrol requeue "$SLURM_JOB_ID"' TERM
wait $driver
