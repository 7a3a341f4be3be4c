#!/usr/bin/env bash
# The predictor that ships, from nothing: episodes, training, fresh episodes, one scoring.
# Goes on where it stopped. `scripts/train_predictor.sh OUT [TEST_SEED]`, after `. ./env.sh`.
# What comes of it goes into the package by copying OUT/model/*.* to
# src/salus_predictor/salus_predictor/shipped/. Score on a test seed that nothing was chosen by.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:?folder for episodes and model} test_seed=${2:-96001}
export OMP_NUM_THREADS=1
collect() { salus collect --direct --policy smolvla --workers 2 "$@"; }

# The episodes of seed 88001 tested the predictor before this one.
collect --drop-images --episodes 1500 --seed 5252 --out "$out/train"
collect --drop-images --episodes 640 --seed 88001 --out "$out/train_88001"
collect --drop-images --episodes 1660 --seed 5353 --out "$out/train_5353"
train=("$out/train" "$out/train_88001" "$out/train_5353")
[ -f "$out/model/model.yaml" ] || salus train "${train[@]}" --kind average --inputs perceived --out "$out/model"
collect --episodes 640 --seed "$test_seed" --out "$out/test"
salus benchmark "${train[@]}" --test "$out/test" --replicates 50 --out "$out/benchmark" \
  --only elapsed_time,since_milestone,chunk_phase,base_rate,always_negative,epistemic_alone,ensemble_variance,stac,stac_single,mahalanobis_signals,rnd_signals,logpzo_signals,safe_mlp_signals,actprobe_lstm,logistic_windows
salus evaluate "$out/model" "$out/test" --baselines "$out/benchmark/benchmark.json" --replicates 200
