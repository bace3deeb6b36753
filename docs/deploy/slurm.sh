#!/bin/bash
# A Slurm array job: every task is one worker of one study. Submit it as often as you like:
#   sbatch --array=1-16 docs/deploy/slurm.sh rhvae-mnist
# The study must exist: run `stability-sweep run FILE --timeout 1` once, from any machine that reaches the database.
#SBATCH --job-name=stability-sweep
#SBATCH --cpus-per-task=1          # at small batches two workers with one thread do more than one with two
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120        # two minutes before the end: the running trial goes back to the queue
#SBATCH --requeue                  # a task that was preempted starts again, and finds the study as it is
set -euo pipefail

study="${1:?usage: sbatch --array=1-N slurm.sh STUDY}"

# The storage URL comes from the environment, so that no other user sees it; the password from ~/.pgpass.
export STABILITY_SWEEP_STORAGE="${STABILITY_SWEEP_STORAGE:-postgresql://sweeper@db.example.org/sweeps?sslmode=require}"
# Results that the database cannot take at once wait here; it must outlive the job.
export STABILITY_SWEEP_SPOOL="${STABILITY_SWEEP_SPOOL:-$HOME/.stability-sweep-spool}"
# The MNIST files, fetched once with `stability-sweep data fetch` on a machine with a network.
export STABILITY_SWEEP_DATA="${STABILITY_SWEEP_DATA:-$HOME/.cache/stability-sweep}"

# exec: the worker itself gets Slurm's signal. On a GPU partition ask for --gres=gpu:1 and leave --device out.
exec stability-sweep worker "$study" --threads "${SLURM_CPUS_PER_TASK:-1}"
