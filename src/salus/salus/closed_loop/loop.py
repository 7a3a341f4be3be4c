"""One watched episode without ROS: the cores that the nodes wire, in the order of the graph.

Observation, policy, predictor, supervisor, simulation; the tests pin that real nodes do the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import Decision, EpisodeStart, Policy
from salus_collector.policy.contract import policy_contract
from salus_collector.policy.runner import PolicyRunner
from salus_collector.sim.disturbance_config import DisturbanceMix
from salus_collector.sim.session import SECOND, Frame, Session
from salus_data.episode import EpisodeRecord
from salus_data.errors import SalusError
from salus_data.types import FailureType, Outcome, SupervisorStatus
from salus_predictor.online.monitor import Monitor, Report
from salus_predictor.online.watched import WatchedModel
from salus_predictor.supervisor.config import SupervisorConfig
from salus_predictor.supervisor.core import Mode, Ruling
from salus_predictor.supervisor.gate import Gate, Patience, Release
from salus_predictor.supervisor.risk import Risk, RiskLevel
from salus_predictor.supervisor.rules import DemandsOf, RuleBook
from salus_predictor.supervisor.slots import Proposal

Array = NDArray[np.float64]

FAULT = "fault"
"""Kind of a spell in which the fail-safe held the arm, not a rule."""


@dataclass
class Spell:
    """Steps in a row whose actions were changed for one cause.

    Attributes:
        kind: what was asked for (`slow`, `hold`, ...), or FAULT.
        start: first step; steps: how many.
        failure_type: number of the failure that was expected; -1 for none.
        reason: in words.
    """

    kind: str
    start: int
    steps: int
    failure_type: int = -1
    reason: str = ""


@dataclass
class Episode:
    """What happened in one episode.

    Attributes:
        record: as a recorder would keep it.
        statuses: (T,) `SupervisorStatus` of every row.
        spells: in which the supervisor acted.
        impulse: of every contact that the collision rule reads, over the episode [N s].
        after: the same for the time after a collision was confirmed [N s].
        peak: largest force of such a contact [N].
        actions: (T, D) that were sent; empty unless asked for.
    """

    record: EpisodeRecord
    statuses: list[SupervisorStatus] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)
    impulse: float = 0.0
    after: float = 0.0
    peak: float = 0.0
    actions: list[Array] = field(default_factory=list)


class WatchedLoop:
    """Runs planned episodes of one policy under one supervisor.

    Args:
        environment: of the kind that `salus_collector.sim.registry` makes.
        mix: of disturbances; with the root seed and an index it decides an episode.
        root_seed: of the episodes.
        policy: that acts.
        model: that forecasts; None: every step is called safe.
        config: rules and limits of the supervisor.
        mode: what the supervisor may do.
        demands: what asks for interventions; the rules unless told.
        on_start: called with seed and idle steps before each episode.
        aftermath: how long the simulation goes on after a collision [s]: the episode ends when the
            contact is confirmed, and what a supervisor is to spare comes after that.

    Raises:
        ContractMismatchError: the model does not fit what the policy gives.
    """

    def __init__(
        self,
        environment: gymnasium.Env[Any, Any],
        mix: DisturbanceMix,
        root_seed: int,
        policy: Policy,
        model: WatchedModel | None,
        config: SupervisorConfig,
        mode: Mode,
        *,
        demands: DemandsOf = RuleBook,
        on_start: Callable[[int, int], object] | None = None,
        aftermath: float = 0.0,
    ) -> None:
        self._environment = environment
        self._core: Any = environment.unwrapped
        self._session = Session(environment, mix, root_seed, policy=policy.name)
        self._policy, self._runner = policy, PolicyRunner(policy)
        self.contract = policy_contract(
            policy, step_period=self._session.step_period, task=self._session.task
        )
        self._gate = Gate(config, mode, Patience(), demands)
        self._gate.on_contract(self.contract, 0.0)
        self._monitor: Monitor | None = None
        if model is not None:
            self._monitor = Monitor()
            self._monitor.on_contract(self.contract, len(policy.signals), policy.embedding_size)
            self._monitor.load(model)
        self._on_start = on_start
        self._watched = mode is not Mode.PASS_THROUGH
        self._aftermath = round(aftermath / self._session.step_period)

    @property
    def session(self) -> Session:
        """The simulation's own core."""
        return self._session

    def run(self, index: int, *, keep_actions: bool = False) -> Episode:
        """Run the episode at that place to its end."""
        session = self._session
        frame: Frame | None = session.start(index)
        assert frame is not None
        assert session.plan is not None
        plan = session.plan
        self._runner.begin(
            EpisodeStart(plan.seed, session.task, session.step_period), session.idle_steps
        )
        if self._monitor is not None:
            self._monitor.begin(plan.id, frame.stamp)
        if self._on_start is not None:
            self._on_start(plan.seed, session.idle_steps)
        self._gate.on_episode(plan.id, running=True, now=0.0)
        episode = Episode(_NO_RECORD)
        action: Array = np.zeros(0)
        while frame is not None:
            ruling = self._answer(frame, plan.id)
            action = _action(ruling)
            self._note(episode, frame.step, ruling)
            if keep_actions:
                episode.actions.append(action.copy())
            before = frame
            frame = session.apply(
                plan.id,
                frame.step,
                action,
                space=self._policy.action_space.name,
                status=ruling.status,
            )
            if frame is not None:
                self._feel(episode, session.contact_force)
        assert session.record is not None
        episode.record = session.record
        if _collided(session.record):
            self._go_on(episode, before, plan.id, action)
        self._gate.on_episode(plan.id, running=False, now=0.0)
        return episode

    # --- one step --------------------------------------------------------------------------------

    def _answer(self, frame: Frame, episode: str) -> Ruling:
        """Policy, predictor and supervisor on one observation."""
        observation, stamp, step = frame.observation, frame.stamp, frame.step
        decision = self._runner.decide(observation)
        risk = self._forecast(frame, decision)
        gate, state = self._gate, observation["state"]
        releases: list[Release] = []
        releases += gate.on_observation(stamp, episode, step, 0.0)
        releases += gate.on_joints(stamp, state[:27], 0.0)
        releases += gate.on_pose(stamp, state[27:], 0.0)
        proposal = Proposal(
            np.asarray(decision.action, np.float64),
            self._policy.action_space.name,
            decision.chunk_phase,
        )
        releases += gate.on_proposal(stamp, episode, step, proposal, 0.0)
        if self._watched:
            releases += gate.on_forecast(episode, risk, 0.0)
        if len(releases) != 1:
            raise SalusError(
                f"{episode} step {step}: the supervisor decided {len(releases)} steps, not 1"
            )
        ruling = releases[0].ruling
        action = _action(ruling)
        self._runner.executed(action)
        if self._monitor is not None:
            self._monitor.join.at(stamp).executed = action.copy()
        return ruling

    def _forecast(self, frame: Frame, decision: Decision) -> Risk:
        monitor = self._monitor
        if monitor is None:
            return _calm(frame.step, self.contract.failure_types)
        state = frame.observation["state"]
        parts = monitor.join.at(frame.stamp)
        parts.joints, parts.pose = state[:27], state[27:]
        parts.perceived = frame.observation["perceived"]
        parts.proposed = np.asarray(decision.action, np.float64)
        if len(decision.signals):
            parts.uncertainty, parts.validity = decision.signals, decision.validity
        parts.embedding = decision.embedding
        monitor.join.number(frame.stamp, frame.step)
        reports = monitor.reports()
        if [report.step for report in reports] != [frame.step]:
            raise SalusError(
                f"step {frame.step}: the predictor answered steps {[r.step for r in reports]}"
            )
        return risk_of_report(reports[0], monitor)

    def _note(self, episode: Episode, step: int, ruling: Ruling) -> None:
        episode.statuses.append(ruling.status)
        if ruling.status is SupervisorStatus.NORMAL:
            return
        supervisor = self._gate.supervisor
        demand = supervisor.machine.demand if supervisor is not None else None
        kind = FAULT if demand is None else demand.intervention.name.lower()
        last = episode.spells[-1] if episode.spells else None
        if last is not None and last.kind == kind and last.start + last.steps == step:
            last.steps += 1
            return
        episode.spells.append(Spell(kind, step, 1, ruling.failure_type, ruling.reason))

    # --- contacts --------------------------------------------------------------------------------

    def _feel(self, episode: Episode, force: Array) -> None:
        episode.impulse += float(force.sum()) * self._session.step_period / len(force)
        episode.peak = max(episode.peak, float(force.max()))

    def _go_on(self, episode: Episode, last: Frame, name: str, action: Array) -> None:
        """Let everybody act on after a collision, and add up what the contact does."""
        before, core = episode.impulse, self._core
        for k in range(self._aftermath):
            core.go_on()
            observation, _, _, truncated, info = self._environment.step(action)
            if truncated and info["event"].outcome == Outcome.DISCARDED:
                break
            self._feel(episode, info["contact_force"])
            period = round(SECOND * self._session.step_period)
            last = Frame(last.step + 1, last.stamp + period, observation)
            if k + 1 < self._aftermath:
                action = _action(self._answer(last, name))
        episode.after = episode.impulse - before


def risk_of_report(report: Report, monitor: Monitor) -> Risk:
    """What the supervisor hears of a report; the message between the nodes says the same."""
    model, contract = monitor.model, monitor.contract
    if model is None or contract is None:
        raise SalusError("there is no model to forecast with")
    calibrated = model.is_calibrated_on(contract)
    return Risk(
        step=report.step,
        horizons=model.horizons,
        failure_types=tuple(model.predictor.contract.failure_types),
        probability=report.probability,
        levels=report.levels,
        calibration_id=model.calibration_id if calibrated else "",
        stale_reason=report.stale,
    )


def _calm(step: int, failure_types: tuple[str, ...]) -> Risk:
    """A forecast that nothing will happen, where nobody forecasts."""
    shape = (1, len(failure_types))
    return Risk(
        step, np.ones(1), failure_types, np.zeros(shape), np.full(shape, RiskLevel.NORMAL, np.uint8)
    )


def _action(ruling: Ruling) -> Array:
    if ruling.action is None:
        raise SalusError(f"the supervisor sent no action: {ruling.problem}")
    return ruling.action


def _collided(record: EpisodeRecord) -> bool:
    return record.outcome is Outcome.FAILURE and record.failure_type == FailureType.COLLISION


_NO_RECORD = EpisodeRecord(id="", index=-1, seed=-1)
