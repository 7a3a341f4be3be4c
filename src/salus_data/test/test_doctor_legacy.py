"""The doctor on stores of the prototype, the one behind the F1 = 0.000 incident among them."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from salus_data.doctor import Severity, examine
from salus_data.relabel import relabel_store

EPISODES, STEPS = 24, 50


def build_legacy(path: Path, **metadata: object) -> Path:
    """Arrays (E, T, ...), labels all zero, every second episode failed, types in turn."""
    random = np.random.default_rng(0)
    root = zarr.create_group(path)
    for name, width in (("states", 14), ("actions", 7), ("signals", 6)):
        root.create_array(name, data=random.normal(size=(EPISODES, STEPS, width)))
    labels = np.zeros((EPISODES, STEPS, 4, 4), np.float32)
    array = root.create_array("horizon_labels", shape=labels.shape, dtype="float32")
    array.with_config({"write_empty_chunks": True})[...] = labels
    episodes = [
        {
            "episode_id": i,
            "success": i % 2 == 0,
            "failure_type": None if i % 2 == 0 else (i // 2) % 4,
            "episode_length": STEPS,
            "timestamp": "2026-01-03T08:28:30",
        }
        | (metadata if i == 1 else {})
        for i in range(EPISODES)
    ]
    texts = root.create_array("episode_metadata", shape=(EPISODES,), dtype="string")
    texts[...] = np.array([json.dumps(episode) for episode in episodes], dtype=object)
    return path


def found(path: Path, severity: Severity) -> set[str]:
    return {finding.code for finding in examine(path).of(severity)}


def test_zero_labels_beside_failed_episodes_are_an_error(tmp_path: Path) -> None:
    path = build_legacy(tmp_path / "incident.zarr")
    report = examine(path)
    assert "labels_all_zero" in found(path, Severity.ERROR)
    assert report.exit_status == 1
    (finding,) = [f for f in report.findings if f.code == "labels_all_zero"]
    assert "12 of 24 episodes failed" in finding.message


def test_after_relabelling_the_assumption_and_the_clock_stay_warnings(tmp_path: Path) -> None:
    path = build_legacy(tmp_path / "old.zarr")
    relabel_store(path, event_step="last")
    report = examine(path)
    assert report.of(Severity.ERROR) == []
    warnings = found(path, Severity.WARNING)
    assert {"legacy_store", "events_assumed", "event_assumed"} <= warnings
    assert report.ok
    assert not examine(path, strict=True).ok


def test_a_type_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    path = build_legacy(tmp_path / "type.zarr", failure_type=4)
    assert found(path, Severity.ERROR) >= {"legacy_invalid"}


@pytest.mark.parametrize("column", [0, 5])
def test_a_constant_signal_is_an_error(tmp_path: Path, column: int) -> None:
    path = build_legacy(tmp_path / "constant.zarr")
    signals = zarr.open_group(path, mode="r+")["signals"]
    signals[:, :, column] = 0.25
    fields = {f.field for f in examine(path).findings if f.code == "constant_signal"}
    assert fields == {f"signals.signals[{column}]"}
