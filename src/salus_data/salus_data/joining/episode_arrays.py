"""From joined channels to the arrays of the dataset; the robot's own signals are computed here."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.joining import assembler as channel
from salus_data.robot_signals import RobotSignals
from salus_data.signals import robot_part
from salus_data.types import SupervisorStatus

CHANGED = (
    SupervisorStatus.SLOWED,
    SupervisorStatus.HOLDING,
    SupervisorStatus.RETREATING,
    SupervisorStatus.STOPPED,
)
"""Supervisor states in which the executed action is not the proposed one."""


def episode_arrays(
    contract: Contract, joined: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The arrays of one episode, T rows each, named and typed as the store wants them."""
    state = np.concatenate([joined[channel.JOINTS], joined[channel.EE]], axis=1)
    own, own_validity = robot_signals(
        contract,
        state,
        joined[channel.PERCEIVED],
        joined[channel.ACTION_PROPOSED],
        joined[channel.ACTION],
        policy_signals=joined[channel.UNCERTAINTY].shape[1] if channel.UNCERTAINTY in joined else 0,
    )
    signals, validity = [own], [own_validity]
    if channel.UNCERTAINTY in joined:
        signals.insert(0, joined[channel.UNCERTAINTY])
        validity.insert(0, joined[channel.VALIDITY])
    arrays: dict[str, NDArray[Any]] = {
        "stamp": joined["stamp"],
        "state": state,
        "perceived": joined[channel.PERCEIVED],
        "action": joined[channel.ACTION],
        "action_proposed": joined[channel.ACTION_PROPOSED],
        "supervisor_state": joined[channel.SUPERVISOR_STATE].astype(np.uint8),
        "chunk_phase": joined[channel.CHUNK_PHASE].astype(np.int16),
        "signals": np.concatenate(signals, axis=1).astype(np.float32),
        "signal_validity": np.concatenate(validity, axis=1).astype(np.uint8),
    }
    if channel.EMBEDDING in joined:
        arrays["embedding"] = joined[channel.EMBEDDING].astype(np.float16)
    for camera in contract.cameras:
        name = channel.image_channel(camera)
        arrays[name] = joined[name]
    return arrays


def robot_signals(
    contract: Contract,
    state: NDArray[np.float64],
    perceived: NDArray[np.float64],
    proposed: NDArray[np.float64],
    executed: NDArray[np.float64],
    policy_signals: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """The robot's own signals over an episode, by the streaming computation: (T, K) twice.

    Those of the contract's signals that follow on the first `policy_signals`.

    Raises:
        ContractMismatchError: the contract has others than this version computes.
    """
    signals = robot_part(contract.signals[policy_signals:])
    stream = RobotSignals(contract.action_space, contract.step_period, signals)
    stream.reset()
    values, validity = [], []
    for observed, scene, asked, done in zip(state, perceived, proposed, executed, strict=True):
        row, reasons = stream.step(observed, scene, asked)
        stream.executed(done)
        values.append(row)
        validity.append(reasons)
    return np.stack(values), np.stack(validity)


def first_intervention(supervisor_state: NDArray[np.uint8]) -> int:
    """The first row whose executed action the supervisor changed; -1 where it changed none."""
    changed = np.flatnonzero(np.isin(supervisor_state, CHANGED))
    return int(changed[0]) if changed.size else -1
