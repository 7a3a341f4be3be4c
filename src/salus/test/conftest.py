"""The tests are imported by path, so their helpers have to be found by path, too."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OTHERS = [HERE.parents[1] / package / "test" for package in ("salus_predictor", "salus_data")]
sys.path[:0] = [str(HERE), *map(str, OTHERS)]


@pytest.fixture
def salus(monkeypatch, capsys):
    """The command in this process: (exit status, stdout, stderr)."""
    from salus.main import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["salus", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, error = capsys.readouterr()
        return ended.value.code or 0, out, error

    return run
