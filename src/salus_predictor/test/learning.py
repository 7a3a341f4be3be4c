"""Small synthetic episodes from which failures can be learnt: a signal of each type rises first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from salus_data.action_space import DELTA_EE
from salus_data.contract import Column, Contract
from salus_data.episode import EpisodeRecord
from salus_data.labels import compute_horizon_labels
from salus_data.types import NO_FAILURE, Outcome, SupervisorStatus, Validity
from salus_data.writer import StoreWriter
from salus_predictor.steps import StepData

RISE = 18
"""Steps before a failure in which its signal rises."""

SIGNALS = (
    Column("slip", "N"),
    Column("effort", "Nm"),
    Column("gap", "1"),
    Column("stall", "1"),
    Column("noise", "1"),
    Column("object_distance", "m", optional=True),
)


def make_contract(**changes: object) -> Contract:
    """Six signals; one of them is about a perceived object."""
    fields = {
        "step_period": 1 / 30,
        "action_space": DELTA_EE,
        "state": (),
        "perceived": (),
        "signals": SIGNALS,
        "cameras": (),
        "policy": "synthetic",
        "policy_digest": "abc",
    }
    return Contract(**fields | changes)  # type: ignore[arg-type]


def make_episode(index: int, seed: int = 0) -> tuple[EpisodeRecord, np.ndarray]:
    """One episode: its record and its signals (T, 6); the kind follows from the index."""
    random = np.random.default_rng([seed, index])
    kind = (NO_FAILURE, 0, NO_FAILURE, 1, NO_FAILURE, 2, NO_FAILURE, 3)[index % 8]
    length = int(random.integers(50, 90))
    onset = int(random.integers(24, length - 3)) if kind >= 0 else length - 1
    signals = random.normal(size=(onset + 1, len(SIGNALS))) * [0.3, 0.3, 0.3, 0.3, 1.0, 0.1]
    if kind >= 0:
        before = onset - np.arange(onset + 1)
        signals[:, kind] += 2.5 * np.clip(1 - before / RISE, 0, 1)
    signals[random.uniform(size=onset + 1) < 0.1, 5] = np.nan
    record = EpisodeRecord(
        id=f"{seed}-{index}",
        index=index,
        seed=1000 * seed + index,
        policy="synthetic",
        outcome=Outcome.SUCCESS if kind < 0 else Outcome.FAILURE,
        failure_type=kind,
        onset_step=onset,
        confirm_step=onset,
        bodies=("hand", "table") if kind == 0 else ("cube",),
        force=120.0 if kind == 0 else float("nan"),
        timeout_kind="stall" if kind == 3 else "",
        disturbance={} if kind < 0 else {"push": {"severity": 0.5}},
    )
    return record, signals.astype(np.float32)


def step_data(
    contract: Contract, records: Sequence[EpisodeRecord], signals: Sequence[np.ndarray]
) -> StepData:
    """Episodes in memory, labelled from their records."""
    ends = np.cumsum([len(s) for s in signals], dtype=np.int64)
    labels, valid = compute_horizon_labels(
        ends, records, contract.horizons, len(contract.failure_types)
    )
    rows = np.concatenate(list(signals))
    return StepData(
        contract, rows, labels, valid, ends, tuple(records), np.full(len(rows), -1, np.int16)
    )


def make_data(episodes: int, *, seed: int = 0, first: int = 0) -> StepData:
    """So many episodes in memory."""
    made = [make_episode(index, seed) for index in range(first, first + episodes)]
    return step_data(make_contract(), [r for r, _ in made], [s for _, s in made])


def outcome_only(data: StepData) -> StepData:
    """The same as rollouts of unknown type and date: one type, no valid label."""
    records = tuple(
        replace(r, onset_step=-1, confirm_step=-1, failure_type=min(r.failure_type, 0))
        for r in data.records
    )
    contract = replace(data.contract, failure_types=("failure",))
    labels, valid = compute_horizon_labels(data.ends, records, contract.horizons, 1)
    failed = np.repeat([r.outcome is Outcome.FAILURE for r in records], data.lengths)
    valid[failed] = False
    return replace(
        data, contract=contract, records=records, labels=labels, valid=np.zeros_like(valid)
    )


def write_store(path: Path, data: StepData, *, frame: tuple[int, int] | None = None) -> Path:
    """The same episodes as a store; with frames (height, width) for the cameras of the contract."""
    n_components = data.contract.action_space.size
    low, high = (
        np.array(b) for b in (data.contract.action_space.low, data.contract.action_space.high)
    )
    images = None if frame is None else dict.fromkeys(data.contract.cameras, frame)
    time = 0
    with StoreWriter.open(path, data.contract, images=images, provenance={}) as writer:
        for number, record in enumerate(data.records):
            signals = data.signals[data.rows(number)]
            length = len(signals)
            random = np.random.default_rng([record.seed, 1])
            action = low + (high - low) * random.uniform(0.2, 0.8, (length, n_components))
            stamps = time + np.round(np.arange(length) * 1e9 / 30).astype(np.int64)
            time = int(stamps[-1]) + 10**9
            pictures = {
                f"image_{camera}": random.integers(0, 255, (length, *size, 3), np.uint8)
                for camera, size in (images or {}).items()
            }
            writer.hold(
                record,
                {
                    **pictures,
                    "stamp": stamps,
                    "action": action,
                    "action_proposed": action,
                    "supervisor_state": np.full(length, SupervisorStatus.NORMAL, np.uint8),
                    "signals": signals,
                    "signal_validity": np.where(
                        np.isnan(signals), Validity.NOT_PERCEIVED, Validity.VALID
                    ).astype(np.uint8),
                    "chunk_phase": np.full(length, -1, np.int16),
                },
            )
    return path
