"""The tests are imported by path, so their helpers have to be found by path, too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
