"""One step of supervision: what is known of it, in; the action for the robot, out."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import ActionSpace
from salus_data.errors import ActionError, ContractMismatchError
from salus_data.types import SupervisorStatus
from salus_predictor.supervisor.commands import Commands
from salus_predictor.supervisor.config import SupervisorConfig
from salus_predictor.supervisor.intervention import Demand, Intervention, most_severe
from salus_predictor.supervisor.machine import Machine, Manual
from salus_predictor.supervisor.posture import Posture
from salus_predictor.supervisor.risk import Risk
from salus_predictor.supervisor.rules import DemandsOf, RuleBook

Array = NDArray[np.float64]


class Mode(IntEnum):
    """How much the supervisor may do; numbered as in SupervisorState.msg."""

    PASS_THROUGH = 1  # no model: everything goes through, the operator alone can hold
    SHADOW = 2  # everything goes through; tells what it would have done
    ACTIVE = 3


MODES: Final = {
    "off": Mode.PASS_THROUGH,
    "shadow": Mode.SHADOW,
    "active": Mode.ACTIVE,
    "auto": None,
}
"""Modes by the name that parameters and commands use; `auto` is decided by the calibration."""


@dataclass(frozen=True)
class StepInputs:
    """What is known when a step is to be decided.

    Attributes:
        proposed: (D,) of the policy; None where it has not come.
        posture: where the arm is; None where that has not come.
        risk: the forecast to act on; None where there is none.
        faults: what may not be trusted, one line each.
    """

    proposed: Array | None = None
    posture: Posture | None = None
    risk: Risk | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ruling:
    """What the robot is to do.

    Attributes:
        action: (D,); None where none can be made, and nothing may be executed.
        status: what was done to the action.
        would_be: the state of the machine; differs from status in shadow mode alone.
        mode: at this step.
        reason: of the machine's state; empty in NORMAL.
        failure_type: number of the failure behind it; -1 where it is something else.
        demands: everything that the rules ask for, WARN included.
        problem: why there is no action, or no rule could be read; empty otherwise.
    """

    action: Array | None
    status: SupervisorStatus
    would_be: SupervisorStatus
    mode: Mode
    reason: str = ""
    failure_type: int = -1
    demands: tuple[Demand, ...] = ()
    problem: str = ""


class Supervisor:
    """Rules, machine and commands together; one episode after the other.

    Args:
        space: what actions mean.
        step_period: s between two steps.
        config: rules and limits.
        mode: how much it may do; None: SHADOW until a forecast says that the model was calibrated
            on the policy it watches, ACTIVE from then on.
        demands: what asks for interventions; the rules of `config` unless told.

    Attributes:
        machine: the state, for the operator's requests.
        interventions: steps of this episode whose action was changed.
    """

    def __init__(
        self,
        space: ActionSpace,
        step_period: float,
        config: SupervisorConfig,
        mode: Mode | None,
        demands: DemandsOf = RuleBook,
    ) -> None:
        self.space, self._asked_mode = space, mode
        self.mode = Mode.SHADOW if mode is None else mode
        hold_limit = max(1, round(config.hold_limit / step_period))
        self.machine = Machine(hold_limit)
        self._rules = demands(config, step_period)
        self._commands = Commands(space, step_period, config.retreat, config.slow_factor)
        self.interventions = 0

    def begin(self) -> None:
        """Begin an episode."""
        self.machine.begin()
        self._rules.begin()
        self._commands.begin()
        self.interventions = 0

    @property
    def gripper_known(self) -> bool:
        """Whether a hold can be made without a proposed action or a posture."""
        return self._commands.gripper_known

    def decide(self, inputs: StepInputs) -> Ruling:
        """The action of one step; called once a step, in order."""
        faults = list(inputs.faults)
        proposed, problem = self._usable(inputs.proposed)
        if problem:
            faults.append(problem)
        risk = inputs.risk
        if risk is not None and risk.fault:
            faults.append(risk.fault)
            risk = None
        demands: list[Demand] = []
        if self.mode is Mode.PASS_THROUGH:
            faults = []
        else:
            self._choose_mode(risk)
            try:
                demands = self._rules.step(risk)
            except ContractMismatchError as error:
                faults.append(str(error))
        would_be = self.machine.step(
            most_severe(demands),
            faults[0] if faults else "",
            retreat_over=self._commands.retreat_over,
        )
        return self._ruling(would_be, proposed, inputs, demands, problem)

    def _ruling(
        self,
        would_be: SupervisorStatus,
        proposed: Array | None,
        inputs: StepInputs,
        demands: list[Demand],
        problem: str,
    ) -> Ruling:
        machine = self.machine
        by_hand = machine.manual is not Manual.NONE or machine.by_operator
        free = by_hand or self.mode is Mode.ACTIVE
        status = would_be if free else SupervisorStatus.NORMAL
        demand = machine.demand
        regrasp = demand is not None and demand.intervention is Intervention.REGRASP
        action: Array | None = None
        try:
            action = self._commands.command(
                status, proposed, inputs.posture, open_empty_hand=regrasp
            )
        except ActionError as error:
            problem = problem or str(error)
        if status is not SupervisorStatus.NORMAL and action is not None:
            self.interventions += 1
        return Ruling(
            action=action,
            status=status,
            would_be=would_be,
            mode=self.mode,
            reason=machine.reason,
            failure_type=-1 if demand is None else demand.failure_type,
            demands=tuple(demands),
            problem=problem,
        )

    def _usable(self, proposed: Array | None) -> tuple[Array | None, str]:
        if proposed is None:
            return None, ""
        try:
            self.space.require(proposed)
        except ActionError as error:
            return None, f"proposed {error}"
        return proposed, ""

    def _choose_mode(self, risk: Risk | None) -> None:
        if self._asked_mode is None and risk is not None:
            self.mode = Mode.ACTIVE if risk.calibration_id else Mode.SHADOW
