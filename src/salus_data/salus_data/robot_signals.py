"""The robot's own signals over one running episode, step by step."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_data.action_space import ActionSpace
from salus_data.signal_history import History
from salus_data.signals import ROBOT_SIGNALS, Signal
from salus_data.types import Validity

Array = NDArray[np.float64]


class RobotSignals:
    """Computes robot signals step by step; every step costs the same.

    Attributes:
        signals: K of ROBOT_SIGNALS.
    """

    def __init__(
        self,
        action_space: ActionSpace,
        step_period: float,
        signals: tuple[Signal, ...] = ROBOT_SIGNALS,
    ) -> None:
        """Prepare for actions of that space, `step_period` seconds apart.

        Raises:
            FormatError: the step period is not above 0.
        """
        self.signals = signals
        self._observed = [(k, s) for k, s in enumerate(signals) if not s.asks]
        self._asked = [(k, s) for k, s in enumerate(signals) if s.asks]
        self._history = History(action_space, step_period)
        self._values: Array = np.empty(0)
        self._validity: NDArray[np.uint8] = np.empty(0, np.uint8)

    def reset(self) -> None:
        """Begin an episode: nothing of the one before has any effect."""
        self._history.clear()

    def step(
        self, state: ArrayLike, perceived: ArrayLike, proposed: ArrayLike
    ) -> tuple[Array, NDArray[np.uint8]]:
        """The signals of this step; tell `executed` where the robot then does something else.

        Args:
            state: (34,) as `layout.STATE`.
            perceived: (30,) as `layout.PERCEIVED`; NaN where an object is not seen.
            proposed: (D,) the action that the policy proposes on this observation.

        Returns:
            values: (K,) NaN where a signal has no value.
            validity: (K,) `Validity`: VALID, or the reason for the NaN.

        Raises:
            FormatError: an argument has the wrong shape.
        """
        self.observe(state, perceived)
        return self.propose(proposed)

    def observe(self, state: ArrayLike, perceived: ArrayLike) -> None:
        """The first half of `step`: what can be computed before the action is proposed.

        Raises:
            FormatError: an argument has the wrong shape.
        """
        # Copies: a caller may fill the same buffers again at the next step.
        self._history.observe(
            np.array(state, dtype=np.float64), np.array(perceived, dtype=np.float64)
        )
        self._values = np.full(len(self.signals), math.nan)
        self._validity = np.array([self._reason(signal) for signal in self.signals], np.uint8)
        self._compute(self._observed)

    def propose(self, proposed: ArrayLike) -> tuple[Array, NDArray[np.uint8]]:
        """The second half of `step`, after `observe`; arguments and results as there.

        Raises:
            FormatError: the action has the wrong shape, or nothing was observed.
        """
        self._history.propose(np.array(proposed, dtype=np.float64))
        self._compute(self._asked)
        return self._values, self._validity

    def executed(self, action: ArrayLike) -> None:
        """Hear which action was executed on the last step, (D,); before the next step.

        Not needed where it was the proposed one.

        Raises:
            FormatError: the action has the wrong shape, or there was no step.
        """
        self._history.executed(np.array(action, dtype=np.float64))

    def _compute(self, signals: list[tuple[int, Signal]]) -> None:
        """Fill in the values of those signals, by their number; the others stay as they are."""
        values, validity = self._values, self._validity
        # Infinite input shows in the validity, not in a warning.
        with np.errstate(all="ignore"):
            for k, signal in signals:
                if validity[k] == Validity.VALID:
                    value = signal.compute(self._history)
                    if math.isfinite(value):
                        values[k] = value
                    else:
                        validity[k] = Validity.INPUT_MISSING

    def _reason(self, signal: Signal) -> Validity:
        history = self._history
        if signal.perceives and not history[0].seen[signal.perceives]:
            return Validity.NOT_PERCEIVED
        if len(history) <= signal.history:
            return Validity.WARMING_UP
        if signal.perceives and not history[signal.history].seen[signal.perceives]:
            return Validity.WARMING_UP
        return Validity.VALID
