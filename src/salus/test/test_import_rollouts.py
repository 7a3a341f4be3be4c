"""`salus import-rollouts`, as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.main import app
from salus_data.errors import FormatError
from salus_data.store import Store


@pytest.fixture
def log(tmp_path) -> Path:
    file = tmp_path / "log.jsonl"
    steps = [{"height": 0.1 * t} for t in range(4)]
    episodes = [{"episode_id": i, "success": i > 0, "steps": steps} for i in range(3)]
    file.write_text("".join(json.dumps(e) + "\n" for e in episodes))
    return file


def run(*arguments):
    return CliRunner().invoke(app, ["import-rollouts", *map(str, arguments)])


def test_a_log_becomes_a_store(tmp_path, log):
    (tmp_path / "units.yaml").write_text("height: m\n")
    out = tmp_path / "new.zarr"
    result = run(log, "--out", out, "--rate", 4, "--units", tmp_path / "units.yaml", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["episodes"], report["failures"], report["dated"]) == (3, 1, 0)
    contract = Store.open(out).contract
    assert contract.step_period == 0.25
    assert contract.signals[0].unit == "m"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--rate .* or --step-period"),
        (("--rate", 4, "--step-period", 0.25), "only one of them"),
        (("--rate", 0), "--rate is 0; it must be between"),
        (("--step-period", "nan"), "--step-period is nan"),
        (("--rate", 4, "--horizons", "5,x"), "--horizons is '5,x'"),
        (("--rate", 4, "--units", "none.yaml"), "none.yaml: cannot be read"),
    ],
)
def test_wrong_use_is_named(tmp_path, log, options, message):
    result = run(log, "--out", tmp_path / "new.zarr", *options)
    assert isinstance(result.exception, FormatError)
    with pytest.raises(FormatError, match=message):
        raise result.exception
    assert not (tmp_path / "new.zarr").exists()
