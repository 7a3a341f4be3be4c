#!/usr/bin/env bash
# Every test of every package, through colcon; ends with one line that counts them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rm -rf build/*/pytest.xml build/*/test_results
status=0
colcon --log-level error test --merge-install --executor sequential --return-code-on-test-failure \
  --event-handlers console_direct+ --pytest-args -q || status=$?
colcon test-result --verbose | tail -n 200
python scripts/count_tests.py build/*/pytest.xml || status=1
exit $status
