"""Leak tests: a clock that gives the label away is told, one that does not is not."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from builders import PLAN, build_store, make_arrays, make_contract, make_record

from salus_data.doctor import Leak, Report, examine
from salus_data.relabel import relabel_store
from salus_data.types import NO_FAILURE, FailureType, Outcome
from salus_data.writer import StoreWriter

DROP = (Outcome.FAILURE, FailureType.DROP)
SUCCESS = (Outcome.SUCCESS, NO_FAILURE)


def build(path: Path, lengths: list[int], *, align: bool = False) -> Path:
    """Half of the episodes drop the cube at their end, the others succeed.

    With `align`, the steps before a drop have other chunk phases than the rest.
    """
    contract = make_contract()
    with StoreWriter.open(path, contract, images=None, provenance={}) as writer:
        time = 0.0
        for i, length in enumerate(lengths):
            outcome, kind = (DROP, SUCCESS)[i % 2]
            random = np.random.default_rng(i)
            milestones = (("grasped", int(random.integers(1, length - 12))),)
            record = make_record(i, outcome, kind, length=length, milestones=milestones)
            arrays = make_arrays(contract, record, length=length, frame=None, start_time=time)
            phase = random.integers(0, 50, length)
            if align and outcome is Outcome.FAILURE:
                phase[record.onset_step - 10 : record.onset_step] = range(20, 30)
            arrays["chunk_phase"] = phase.astype(np.int16)
            writer.hold(record, arrays)
            time += (length + 3) * contract.step_period
    return path


def leak(report: Report, clock: str, failure_type: str = "drop") -> Leak:
    (found,) = [
        one for one in report.leaks if (one.clock, one.failure_type) == (clock, failure_type)
    ]
    return found


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_episodes_of_one_length_give_the_label_away_by_time(tmp_path: Path) -> None:
    # As in the prototype: every failure at the last step of 60, successes that go on.
    lengths = [60 if i % 2 == 0 else 90 for i in range(24)]
    report = examine(build(tmp_path / "clock.zarr", lengths))
    found = leak(report, "elapsed")
    assert found.auroc is not None
    assert found.auroc > 0.95
    assert (found.horizon, found.episodes) == (10, 12)
    assert "leak_elapsed" in codes(report)
    assert report.ok
    assert not examine(tmp_path / "clock.zarr", strict=True).ok


def test_a_clock_that_knows_nothing_is_no_finding(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(40, 250, 40).tolist()
    report = examine(build(tmp_path / "fair.zarr", lengths))
    for clock in ("elapsed", "since_milestone", "chunk_phase"):
        assert f"leak_{clock}" not in codes(report)
    phase = leak(report, "chunk_phase").auroc
    assert phase is not None
    assert phase == pytest.approx(0.5, abs=0.12)


def test_a_phase_that_neither_rises_nor_falls_with_the_label_shows_too(tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(40, 160, 40).tolist()
    report = examine(build(tmp_path / "phase.zarr", lengths, align=True))
    found = leak(report, "chunk_phase").auroc
    assert found is not None
    assert found > 0.8
    assert "leak_chunk_phase" in codes(report)


def test_too_few_failures_give_no_figure(tmp_path: Path) -> None:
    report = examine(build(tmp_path / "few.zarr", [60, 80, 70, 90]))
    assert leak(report, "elapsed").auroc is None
    assert "too few failed episodes (2)" in report.to_text()


def test_a_signal_that_counts_steps_is_told(tmp_path: Path) -> None:
    path = build_store(tmp_path / "count.zarr", frame=None, plan=PLAN, episodes=16)
    signals = zarr.open_group(path, mode="r+")["data/signals"]
    values = signals[...]
    ends = zarr.open_group(path, mode="r")["meta/episode_ends"][...]
    starts = np.concatenate([[0], ends[:-1]])
    step = np.arange(len(values)) - np.repeat(starts, np.diff(ends, prepend=0))
    values[:, 0] = np.sqrt(step)
    signals[...] = values
    (finding,) = [f for f in examine(path).findings if f.code == "signal_is_clock"]
    assert finding.field == "signals.epistemic_mean"


def test_a_signal_that_follows_the_phase_is_told(tmp_path: Path) -> None:
    path = build_store(tmp_path / "phase.zarr", frame=None, episodes=16)
    group = zarr.open_group(path, mode="r+")["data"]
    values = group["signals"][...]
    values[:, 0] = 0.1 + 0.01 * group["chunk_phase"][...]
    group["signals"][...] = values
    report = examine(path)
    assert report.phase_r2["epistemic_mean"] == pytest.approx(1, abs=1e-3)
    (finding,) = [f for f in report.findings if f.code == "signal_follows_phase"]
    assert finding.field == "signals.epistemic_mean"


def test_the_leak_is_measured_at_the_horizon_nearest_to_ten(tmp_path: Path) -> None:
    path = build(tmp_path / "h.zarr", [60, 80] * 8)
    relabel_store(path, horizons=(3, 8, 30))
    assert leak(examine(path), "elapsed").horizon == 8
