"""The tests are imported by path, so their helpers have to be found by path, too."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
OTHERS = [HERE.parents[1] / package / "test" for package in ("salus_predictor", "salus_data")]
sys.path[:0] = [str(HERE), *map(str, OTHERS)]
