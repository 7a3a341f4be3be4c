"""The supervisor's state: pure, one call a step, no clock but the steps themselves.

NORMAL lets actions through, SLOWED lets them move less, HOLDING stays, RETREATING goes back along
the path, STOPPED holds until the operator has acknowledged and resumed. What may not be trusted (a
fault) is answered by HOLDING whatever the rules ask for, except STOPPED: a robot that does not know
what it sees does not move, not even back.
"""

from enum import Enum

from salus_data.errors import SalusError
from salus_data.types import SupervisorStatus
from salus_predictor.supervisor.intervention import Demand, Intervention

_STATE_OF = {
    Intervention.NONE: SupervisorStatus.NORMAL,
    Intervention.WARN: SupervisorStatus.NORMAL,
    Intervention.SLOW: SupervisorStatus.SLOWED,
    Intervention.REPLAN: SupervisorStatus.HOLDING,
    Intervention.HOLD: SupervisorStatus.HOLDING,
    Intervention.REGRASP: SupervisorStatus.RETREATING,
    Intervention.RETREAT: SupervisorStatus.RETREATING,
    Intervention.STOP: SupervisorStatus.STOPPED,
}


class RequestRefusedError(SalusError, RuntimeError):
    """Raised when the operator asks for what the present state does not allow."""


class Manual(Enum):
    """What the operator has taken over."""

    NONE = "none"
    HOLD = "hold"
    PASS_THROUGH = "pass through"  # noqa: S105 - no password
    STOP = "stop"


class Machine:
    """The state machine; the first reason of a state is kept until the state is left.

    Attributes:
        state: what is done with actions now.
        reason: why, empty in NORMAL; it belongs to the moment at which the state was entered.
        demand: the demand behind the state; None where a fault or the operator is.
        manual: what the operator has taken over.
        by_operator: the state goes back to a stop by the operator.
    """

    def __init__(self, hold_limit_steps: int) -> None:
        self._hold_limit = hold_limit_steps
        self.manual, self._manual_reason = Manual.NONE, ""
        self.begin()

    def begin(self) -> None:
        """Begin an episode in NORMAL; what the operator has taken over stays taken over."""
        self.state, self.reason = SupervisorStatus.NORMAL, ""
        self.demand: Demand | None = None
        self._steps_held = 0
        self.by_operator = False
        self._acknowledged = False  # a stop was acknowledged, and waits for `resume`
        self._retreated = 0  # activation whose retreat is over
        self._blocking = ""  # what would have held at the last step

    def step(
        self, demand: Demand | None, fault: str = "", *, retreat_over: bool = False
    ) -> SupervisorStatus:
        """The state for this step.

        Args:
            demand: the most severe of what the rules ask for.
            fault: what may not be trusted; empty where all is well.
            retreat_over: the retreat that was going on has gone far enough or cannot go on.
        """
        if self.state is SupervisorStatus.RETREATING and retreat_over and self.demand is not None:
            self._retreated = self.demand.activation
        wanted, reason, cause = self._wanted(demand, fault)
        self._blocking = reason if wanted >= SupervisorStatus.HOLDING else ""
        waits = self._acknowledged and self.manual is not Manual.PASS_THROUGH
        if waits and wanted < SupervisorStatus.HOLDING:
            wanted, reason, cause = SupervisorStatus.HOLDING, "waits for resume", None
        if self.state is SupervisorStatus.STOPPED:
            return self.state
        if wanted is SupervisorStatus.HOLDING and self.state is SupervisorStatus.HOLDING:
            self._steps_held += 1
            if self._steps_held >= self._hold_limit and not self._operator_holds:
                self._enter(SupervisorStatus.STOPPED, f"held too long: {self.reason}", self.demand)
            return self.state
        if wanted is not self.state:
            self._enter(wanted, reason, cause)
        return self.state

    # --- the operator ----------------------------------------------------------------------------

    def take_over(self, manual: Manual, reason: str) -> None:
        """Take the command path by hand; NONE gives it back. STOP is acknowledged afterwards.

        Raises:
            RequestRefusedError: it is stopped and not acknowledged, and this would let it move.
        """
        if manual is Manual.PASS_THROUGH and self.state is SupervisorStatus.STOPPED:
            raise RequestRefusedError(f"stopped ({self.reason}); acknowledge first")
        self.manual = manual
        self._manual_reason = f"operator: {reason or manual.value}"
        if manual is Manual.STOP and self.state is not SupervisorStatus.STOPPED:
            self._enter(SupervisorStatus.STOPPED, self._manual_reason, None)
            self.by_operator = True

    def acknowledge(self) -> None:
        """Say that somebody has looked at the stop; the arm goes on holding until `resume`.

        Raises:
            RequestRefusedError: it is not stopped, or the operator's own stop is not released.
        """
        if self.state is not SupervisorStatus.STOPPED:
            raise RequestRefusedError(f"state is {self.state.name}; only a stop is acknowledged")
        if self.manual is Manual.STOP:
            raise RequestRefusedError("the operator's stop is not released; override RELEASE first")
        stop_reason, by_operator = self.reason, self.by_operator
        self._enter(SupervisorStatus.HOLDING, f"acknowledged: {stop_reason}", None)
        self._acknowledged, self.by_operator = True, by_operator
        self._blocking = ""

    def resume(self) -> None:
        """Let the policy go on after an acknowledged stop, from the next step on.

        Raises:
            RequestRefusedError: nothing waits for it, or what caused a hold is still there.
        """
        if self.state is SupervisorStatus.STOPPED:
            raise RequestRefusedError(f"stopped ({self.reason}); acknowledge first")
        if not self._acknowledged:
            raise RequestRefusedError(f"state is {self.state.name}; nothing waits for resume")
        if self._blocking:
            raise RequestRefusedError(f"cannot resume: {self._blocking}")
        self._acknowledged = False

    # --- inside ----------------------------------------------------------------------------------

    @property
    def _operator_holds(self) -> bool:
        return self.manual is Manual.HOLD or self._acknowledged

    def _wanted(
        self, demand: Demand | None, fault: str
    ) -> tuple[SupervisorStatus, str, Demand | None]:
        """State, reason and cause that the inputs ask for, whatever the present state is."""
        if self.manual is Manual.PASS_THROUGH:
            return SupervisorStatus.NORMAL, "", None
        if self.manual is Manual.STOP:
            return SupervisorStatus.STOPPED, self._manual_reason, None
        asked = SupervisorStatus.NORMAL if demand is None else _STATE_OF[demand.intervention]
        if demand is not None and asked is SupervisorStatus.STOPPED:
            return asked, demand.reason, demand
        if self.manual is Manual.HOLD:
            return SupervisorStatus.HOLDING, self._manual_reason, None
        if fault:
            return SupervisorStatus.HOLDING, fault, None
        if demand is None or asked is SupervisorStatus.NORMAL:
            return SupervisorStatus.NORMAL, "", None
        if asked is SupervisorStatus.RETREATING and demand.activation == self._retreated:
            return SupervisorStatus.HOLDING, f"after the retreat: {demand.reason}", demand
        return asked, demand.reason, demand

    def _enter(self, state: SupervisorStatus, reason: str, demand: Demand | None) -> None:
        if state in (SupervisorStatus.NORMAL, SupervisorStatus.STOPPED):
            self._acknowledged = False
        if not self._acknowledged:
            self.by_operator = False
        self.state = state
        self.reason = "" if state is SupervisorStatus.NORMAL else reason
        self.demand = demand
        self._steps_held = 1 if state is SupervisorStatus.HOLDING else 0
