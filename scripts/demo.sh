#!/usr/bin/env bash
# The main job on real input: collect, examine, show. `make demo` runs it inside the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=out/demo
say() { printf '\n== %s\n' "$*"; }

say "1/3 collect 32 episodes of the SmolVLA ensemble, most of them disturbed (two minutes on 2 cores)"
salus collect --policy smolvla --episodes 32 --workers 2 --seed 1 --out "$out"

say "2/3 examine them: broken data, labels that lie, clocks that give the label away"
salus doctor "$out"

say "3/3 one page to look at"
page=$(salus summary "$out" --out "$out/summary.html" --title "SALUS demo: 32 episodes of a SmolVLA ensemble")
say "done; open $page"
