"""The tests are imported by path, so their helpers have to be found by path, too."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "salus_predictor" / "test")]
