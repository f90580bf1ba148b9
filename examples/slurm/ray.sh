#!/bin/bash
#SBATCH --job-name=durometer-ray
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
# Usage: sbatch ray.sh STUDY.yaml RUN_FOLDER [more options of `durometer run`, such as --device cuda]
# RUN_FOLDER must be on a disk that all nodes share. Needs the extra: pip install 'durometer[scale]'.
set -euo pipefail

study=$1 run=$2
shift 2
export RAY_USAGE_STATS_ENABLED=0

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
port=$((20000 + SLURM_JOB_ID % 20000))
per_node=${SLURM_GPUS_ON_NODE:-$SLURM_CPUS_PER_TASK}

srun --nodes=1 --ntasks=1 --overlap -w "$head" \
  ray start --head --node-ip-address="$head" --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
sleep 20
for node in "${nodes[@]:1}"; do
  srun --nodes=1 --ntasks=1 --overlap -w "$node" \
    ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
done
sleep 20

RAY_ADDRESS="$head:$port" durometer run "$study" --out "$run" --backend ray \
  --workers $((per_node * ${#nodes[@]})) "$@"
