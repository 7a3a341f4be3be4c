"""What may not be trusted: clocks that jump, contracts that change, messages that are late or NaN.

Each finding holds the arm. Times are of the stamps, so simulated in lockstep.
"""

from typing import Final

NANOSECONDS: Final = 1e9
CALM_STEPS: Final = 15
"""Steps that a clock must run well again after it jumped."""
JITTER: Final = 0.5
"""Share of a step period by which two stamps may lie closer or further than they should."""


class ClockWatch:
    """Watches that observations follow each other at the step period, by stamp and number."""

    def __init__(self, step_period: float) -> None:
        self._period = step_period
        self.begin()

    def begin(self) -> None:
        """Begin an episode."""
        self._step, self._stamp = -1, 0
        self._calm = CALM_STEPS
        self._reason = ""

    def observe(self, step: int, stamp: int) -> str:
        """The fault at an observation with that number and stamp [ns]; empty where all is well."""
        found = ""
        if self._step >= 0:
            passed = (stamp - self._stamp) / NANOSECONDS
            due = (step - self._step) * self._period
            if passed <= 0:
                found = f"clock went back by {-passed:.3f} s at step {step}"
            elif abs(passed - due) > JITTER * self._period:
                found = (
                    f"clock jumped: {passed:.3f} s passed between steps {self._step} and {step}, "
                    f"{due:.3f} s were due"
                )
        self._step, self._stamp = step, stamp
        if found:
            self._calm, self._reason = 0, found
            return found
        self._calm += 1
        return self._reason if self._calm < CALM_STEPS else ""


class ContractWatch:
    """Watches that the numbers keep their meaning within an episode."""

    def __init__(self) -> None:
        self._digest = ""
        self.fault = ""

    def begin(self) -> None:
        """Begin an episode: a contract that came between two episodes is the one that counts."""
        self.fault = ""

    def hear(self, digest: str, *, episode_running: bool) -> None:
        """Hear a contract's digest."""
        if self._digest and digest != self._digest and episode_running:
            self.fault = f"the contract changed from {self._digest} to {digest} during the episode"
        self._digest = digest


def forecast_age_fault(step: int, forecast_step: int | None, limit: int) -> str:
    """Why the newest forecast is too old for a step; empty where it is not.

    Args:
        step: that is to be decided.
        forecast_step: of the newest forecast of the episode; None where there is none.
        limit: how many steps it may be behind: 0 in lockstep.
    """
    if forecast_step is None:
        return "" if step < limit else f"no forecast by step {step}"
    behind = step - forecast_step
    return "" if behind <= limit else f"the newest forecast is {behind} steps old at step {step}"
