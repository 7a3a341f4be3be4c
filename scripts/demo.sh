#!/usr/bin/env bash
# The main job on real input: collect, examine, show, learn, judge. `make demo` runs it inside the
# environment. Two minutes of the time go into the episodes to learn from, one into those to judge by.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=out/demo
say() { printf '\n== %s\n' "$*"; }

say "1/5 collect 36 episodes of the SmolVLA ensemble over ROS, most of them disturbed"
salus collect --policy smolvla --episodes 36 --workers 2 --seed 1 --out "$out/train"

say "2/5 examine them: broken data, labels that lie, clocks that give the label away"
salus doctor "$out/train"

say "3/5 one page to look at"
page=$(salus summary "$out/train" --out "$out/summary.html" --title "SALUS demo: 36 episodes of a SmolVLA ensemble")
echo "open $page"

say "4/5 train a small predictor on them (a real one takes a thousand episodes and more)"
[ -f "$out/model/model.yaml" ] || salus train "$out/train" --kind trees --inputs perceived --validation 0.5 --out "$out/model"

say "5/5 judge it on 20 fresh episodes, beside the shipped predictor, a clock and logistic regression"
salus collect --direct --policy smolvla --episodes 20 --workers 2 --seed 2 --out "$out/test"
salus benchmark "$out/train" --test "$out/test" --only elapsed_time,since_milestone,logistic_windows \
  --replicates 20 --out "$out/benchmark" > "$out/benchmark.txt"
salus evaluate "$out/model" "$out/test" --beside shipped --baselines "$out/benchmark/benchmark.json" \
  --replicates 100 --title "SALUS demo: a predictor from 18 episodes"
