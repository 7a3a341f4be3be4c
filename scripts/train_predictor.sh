#!/usr/bin/env bash
# The predictor that ships, from nothing: episodes, training, fresh episodes, one scoring.
# Goes on where it stopped. `scripts/train_predictor.sh OUT [TEST_SEED]`, after `. ./env.sh`.
# What comes of it goes into the package by copying OUT/model/*.* to
# src/salus_predictor/salus_predictor/shipped/. Score on a test seed that nothing was chosen by.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:?folder for episodes and model} test_seed=${2:-97001}
# Small operations in two threads each would only wait for one another.
collect() { OMP_NUM_THREADS=1 salus collect --direct --policy smolvla --workers 2 "$@"; }

# The episodes of seeds 88001 and 96001 tested the predictors before this one.
train=()
for part in 1500:5252 640:88001 1660:5353 640:96001 338:5454; do
  store="$out/train_${part#*:}"
  collect --drop-images --episodes "${part%:*}" --seed "${part#*:}" --out "$store"
  train+=("$store")
done
[ -f "$out/model/model.yaml" ] ||
  salus train "${train[@]}" --kind average --inputs perceived --width 96 --out "$out/model"
collect --episodes 640 --seed "$test_seed" --out "$out/test"
OMP_NUM_THREADS=1 salus benchmark "${train[@]}" --test "$out/test" --replicates 50 --out "$out/benchmark" \
  --only elapsed_time,since_milestone,chunk_phase,base_rate,always_negative,epistemic_alone,ensemble_variance,stac,stac_single,mahalanobis_signals,rnd_signals,logpzo_signals,safe_mlp_signals,actprobe_lstm,logistic_windows
salus evaluate "$out/model" "$out/test" --baselines "$out/benchmark/benchmark.json" --replicates 200
