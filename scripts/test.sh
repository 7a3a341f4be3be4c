#!/usr/bin/env bash
# Every test of every package, through colcon; ends with one line that counts them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find build -name '*.xml' -path '*test*' -delete   # results of an earlier run would be counted too
status=0
# Two packages at a time, which do not wait for the tests of those that they build on: much of a test
# is waiting. Every test of the graph claims a ROS domain that nobody else uses.
COLCON_FEATURE_FLAGS=drop_test_deps \
colcon --log-level error test --merge-install --executor parallel --parallel-workers 2 \
  --return-code-on-test-failure --event-handlers console_cohesion+ --pytest-args -q || status=$?
colcon test-result --verbose | tail -n 200
summary=$(colcon test-result | tail -n 1)   # Summary: 5 tests, 0 errors, 0 failures, 1 skipped
read -r total errors failures skipped <<<"$(tr -dc '0-9 \n' <<<"$summary")"
failed=$((errors + failures))
[ "$total" -gt 0 ] || { echo "no test ran" >&2; status=1; }
echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
exit $status
