"""The row of signals of one step, the same numbers that a recorder would store."""

from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.errors import FormatError
from salus_data.robot_signals import RobotSignals
from salus_data.signals import robot_part
from salus_data.types import Validity
from salus_predictor.online.join import Array, StepParts

Row = NDArray[np.float32]

_REASONS = frozenset(map(int, Validity))


class OnlineSignals:
    """The policy's own signals, then the robot's, in the order of the contract.

    Args:
        contract: of the running graph.
        policy_signals: how many of its signals come from the policy.

    Raises:
        ContractMismatchError: the other signals are not those that this version computes.
    """

    def __init__(self, contract: Contract, policy_signals: int) -> None:
        own = robot_part(contract.signals[policy_signals:])
        self._columns = contract.signals
        self._policy_signals = policy_signals
        self._robot = RobotSignals(contract.action_space, contract.step_period, own)
        self._observed: int | None = None  # stamp of an observation that `step` has yet to come to

    def begin(self) -> None:
        """Begin an episode."""
        self._robot.reset()
        self._observed = None

    def observe(self, parts: StepParts, executed: Array | None) -> None:
        """Compute what follows from the observation of a step; `step` then has less to do.

        Args:
            parts: the step, its observation whole.
            executed: as in `step`.

        Raises:
            FormatError: a shape is wrong; `step` says so again.
        """
        if parts.stamp == self._observed:
            return
        if executed is not None:
            self._robot.executed(executed)
        assert parts.perceived is not None
        self._robot.observe(parts.state, parts.perceived)
        self._observed = parts.stamp

    def step(self, parts: StepParts, executed: Array | None) -> tuple[Row, NDArray[np.uint8]]:
        """The row (K,) float32 of a whole step, and the validity (K,) of each.

        Args:
            parts: the step.
            executed: (D,) the action executed on the step before; None at the first step.

        Raises:
            FormatError: the policy gives another number of signals, or a shape is wrong.
        """
        self.observe(parts, executed)
        self._observed = None
        assert parts.proposed is not None
        own, reasons = self._robot.propose(parts.proposed)
        first = self._policy_signals
        row = np.empty(len(self._columns), np.float32)
        row[first:] = own
        if first:
            assert parts.uncertainty is not None
            assert parts.validity is not None
            if not len(parts.uncertainty) == len(parts.validity) == first:
                raise FormatError(
                    f"the policy gives {len(parts.uncertainty)} signals and "
                    f"{len(parts.validity)} reasons; the contract says {first}"
                )
            row[:first] = parts.uncertainty
            reasons = np.concatenate([parts.validity, reasons])
        return row, reasons

    def unusable(self, row: Row, validity: NDArray[np.uint8], inputs: AbstractSet[str]) -> str:
        """Why a forecast from this row cannot be trusted; empty where it can.

        An optional signal may have no value, with its reason, and any may while it warms up.
        """
        for k in (~np.isfinite(row)).nonzero()[0].tolist():
            column = self._columns[k]
            if column.name not in inputs:
                continue
            reason = int(validity[k])
            known = reason in _REASONS
            if known and (
                reason == Validity.WARMING_UP or (column.optional and reason != Validity.VALID)
            ):
                continue
            name = Validity(reason).name if known else str(reason)
            return f"{column.name} is {row[k]} ({name})"
        return ""
