#!/usr/bin/env bash
# The policy that ships, from nothing: demonstrations, a LeRobotDataset, an ensemble, the statistics
# of its hidden states, its test. What comes of it goes into the package by
# `python -m salus_collector.policy.smolvla.shipped OUT/ensemble --version X.Y.Z`.
# Goes on where it stopped. `scripts/clone_policy.sh OUT [EPISODES] [WORKERS]`, after `. ./env.sh`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:?folder for demonstrations and ensemble} episodes=${2:-1200} workers=${3:-2}
export OMP_NUM_THREADS=1

salus collect --policy expert --episodes "$episodes" --workers "$workers" --seed 7001 \
  --disturbances config/demonstrations.yaml --image-size 0 --out "$out/demonstrations"
salus clone "$out/demonstrations" --out "$out"
python -m salus_collector.policy.smolvla.embedding_fit "$out/ensemble" "$out/demonstrations" --every 40
python -m salus_collector.outcomes --policy "$out/ensemble" --episodes 200 --seed 8000
