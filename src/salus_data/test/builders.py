"""Small synthetic stores for tests: plausible motion, drawn frames, every outcome and type.

Nothing here is physics. The arrays obey the format; each test changes what it is about.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus_data.action_space import DELTA_EE, ActionSpace
from salus_data.contract import Column, Contract
from salus_data.episode import EpisodeRecord
from salus_data.layout import EE_POSITION, PERCEIVED, STATE, VELOCITY, object_slice
from salus_data.robot_signals import RobotSignals
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.types import NO_FAILURE, FailureType, Outcome, SupervisorStatus, Validity
from salus_data.writer import StoreWriter

STEP_PERIOD = 1 / 30
FRAME = (24, 32)  # height, width

EPISTEMIC = Column("epistemic_mean", "1")

PLAN = (
    (Outcome.SUCCESS, NO_FAILURE),
    (Outcome.FAILURE, FailureType.COLLISION),
    (Outcome.SUCCESS, NO_FAILURE),
    (Outcome.FAILURE, FailureType.DROP),
    (Outcome.TRUNCATED, NO_FAILURE),
    (Outcome.FAILURE, FailureType.MISS),
    (Outcome.SUCCESS, NO_FAILURE),
    (Outcome.FAILURE, FailureType.TIMEOUT),
)
"""Outcome and failure type of the episodes of a small set, in turn."""


def make_contract(**changes: Any) -> Contract:
    """The contract of a five-member policy with one uncertainty signal of its own."""
    fields: dict[str, Any] = {
        "step_period": STEP_PERIOD,
        "action_space": DELTA_EE,
        "state": STATE,
        "perceived": PERCEIVED,
        "signals": (EPISTEMIC, *ROBOT_SIGNAL_COLUMNS),
        "ensemble_size": 5,
        "task": "put the red cube into the blue bin",
        "policy": "synthetic",
    }
    return Contract(**fields | changes)


def make_record(
    index: int,
    outcome: Outcome = Outcome.SUCCESS,
    failure_type: int = NO_FAILURE,
    *,
    length: int = 60,
    **changes: Any,
) -> EpisodeRecord:
    """The record of an episode of `length` rows that ends as soon as its event is confirmed."""
    ended = outcome in (Outcome.SUCCESS, Outcome.FAILURE)
    onset = length - 4 if ended else -1
    fields: dict[str, Any] = {
        "id": f"7-{index}",
        "index": index,
        "seed": 1000 + index,
        "task": "put the red cube into the blue bin",
        "policy": "synthetic",
        "outcome": outcome,
        "failure_type": int(failure_type),
        "onset_step": onset,
        "confirm_step": length - 1 if ended else -1,
        "onset_time": (onset - 0.5) * STEP_PERIOD if ended else float("nan"),
        "milestones": (("reached", length // 3), ("grasped", length // 2)),
        "disturbance": {} if outcome is Outcome.SUCCESS else {"slow_down": {"factor": 0.5}},
        "bodies": ("hand", "table") if failure_type == FailureType.COLLISION else ("cube",),
        "force": 120.0 if failure_type == FailureType.COLLISION else float("nan"),
        "timeout_kind": "stall" if failure_type == FailureType.TIMEOUT else "",
    }
    return EpisodeRecord(**fields | changes)


def make_arrays(
    contract: Contract,
    record: EpisodeRecord,
    *,
    length: int = 60,
    frame: tuple[int, int] | None = FRAME,
    start_time: float = 0.0,
) -> dict[str, np.ndarray]:
    """Every array of one episode; a hand that wanders over a table, and pictures of it."""
    random = np.random.default_rng([record.seed, 5])
    space: ActionSpace = contract.action_space
    low, high = np.array(space.low), np.array(space.high)
    action = np.clip(
        (low + high) / 2 + random.normal(size=(length, space.size)) * (high - low) / 8, low, high
    )
    action[:, -1] = np.arange(length) < random.integers(length // 4, length)
    state = random.normal(scale=0.05, size=(length, len(STATE)))
    state[:, :7] += 0.3
    width = 0.02 + 0.015 * np.sin(np.arange(length) / 9 + random.uniform(0, 6.28))
    state[:, 7:9] = width[:, None] + random.normal(scale=1e-4, size=(length, 2))
    state[:, VELOCITY] = np.gradient(state[:, :9], axis=0) / contract.step_period
    walk = np.cumsum(random.normal(scale=0.006, size=(length, 3)), axis=0)
    state[:, EE_POSITION] = np.array([0.4, 0.0, 0.3]) + walk
    perceived = np.full((length, len(PERCEIVED)), np.nan)
    for name, place in (("object", (0.5, 0.1, 0.02)), ("bin", (0.5, -0.3, 0.0))):
        values = np.array([*place, 0, 0, 0, 1, 0.04, 0.04, 0.04])
        perceived[:, object_slice(name)] = values + random.normal(scale=0.002, size=(length, 10))
    if record.index % 2:
        box = np.array([0.45, 0.0, 0.1, 0, 0, 0.38, 0.92, 0.06, 0.06, 0.2])
        perceived[:, object_slice("obstacle")] = box
    signals, validity = _signals(contract, state, perceived, action, random)
    phase = np.arange(length) % 16
    arrays = {
        "stamp": np.round((start_time + np.arange(length) * contract.step_period) * 1e9).astype(
            np.int64
        ),
        "state": state,
        "action": action,
        "action_proposed": action.copy(),
        "supervisor_state": np.full(length, SupervisorStatus.NORMAL, np.uint8),
        "signals": signals,
        "signal_validity": validity,
        "perceived": perceived,
        "chunk_phase": phase.astype(np.int16),
    }
    if frame is not None:
        for number, camera in enumerate(contract.cameras):
            arrays[f"image_{camera}"] = draw_frames(
                state[:, EE_POSITION], frame, 7 * record.seed + number
            )
    return arrays


def draw_frames(position: np.ndarray, size: tuple[int, int], seed: int) -> np.ndarray:
    """(T, h, w, 3) uint8: a table, a cube and a hand that follows `position` (T, 3)."""
    height, width = size
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    table = np.stack([170 + y % 3, 160 + x % 5, 140 + (x + y) % 4], axis=-1)
    frames = np.repeat(table[None], len(position), axis=0).astype(np.uint8)
    cube_x, cube_y = random.integers(2, width - 6), random.integers(height // 2, height - 4)
    frames[:, cube_y : cube_y + 3, cube_x : cube_x + 3] = (190, 40, 30)
    hand = np.round((position[:, :2] - [0.1, -0.3]) / 0.6 * [width, height]).astype(int)
    for row, (hand_x, hand_y) in enumerate(hand):
        hand_x, hand_y = np.clip((hand_x, hand_y), 0, (width - 3, height - 3))
        frames[row, hand_y : hand_y + 3, hand_x : hand_x + 3] = (60, 60, 70)
        # Sensor noise, so that a hand that rests in one pixel does not freeze the picture.
        frames[row, 0, 0] = random.integers(0, 255, 3)
    return frames


def build_store(
    path: Path,
    *,
    contract: Contract | None = None,
    plan: Sequence[tuple[Outcome, int]] = PLAN,
    episodes: int = 8,
    first_index: int = 0,
    frame: tuple[int, int] | None = FRAME,
    length: int = 60,
    records: Mapping[int, Mapping[str, Any]] | None = None,
) -> Path:
    """Write a sound store of `episodes` episodes and return its path.

    Args:
        path: of the store.
        contract: by default that of `make_contract`.
        plan: outcome and type of the episodes, in turn.
        episodes: how many.
        first_index: index of the first one.
        frame: (height, width) of the frames; None for a store without images.
        length: shortest episode; the others are longer, each by another amount.
        records: changes to the record of an episode, by its number.
    """
    contract = contract or make_contract()
    images = None if frame is None else dict.fromkeys(contract.cameras, frame)
    time = 0.0
    with StoreWriter.open(
        path, contract, images=images, provenance={"command": "test", "root_seed": 7}
    ) as writer:
        for number in range(episodes):
            outcome, kind = plan[number % len(plan)]
            index = first_index + number
            rows = length + (37 * index) % 41
            record = make_record(
                index, outcome, kind, length=rows, **dict((records or {}).get(number, {}))
            )
            arrays = make_arrays(contract, record, length=rows, frame=frame, start_time=time)
            writer.hold(record, arrays)
            time += (rows + 3) * contract.step_period
    return path


def _signals(
    contract: Contract,
    state: np.ndarray,
    perceived: np.ndarray,
    action: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    robot = RobotSignals(contract.action_space, contract.step_period)
    steps = [robot.step(*rows) for rows in zip(state, perceived, action, strict=True)]
    own = np.abs(random.normal(0.1, 0.02, size=(len(state), 1)))
    own_validity = np.full((len(state), 1), Validity.VALID, np.uint8)
    values = np.concatenate([own, np.stack([value for value, _ in steps])], axis=1)
    validity = np.concatenate([own_validity, np.stack([code for _, code in steps])], axis=1)
    return values.astype(np.float32), validity
