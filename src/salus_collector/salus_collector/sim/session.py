"""Lockstep as a core: one action in, one observation out; the node around it only publishes.

Rows: row t holds observation t and the action taken on it. The observation at which an event is
confirmed is the last row. Its action is asked for like any other, so that every row is whole, but
it is not executed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_collector.plan import EpisodePlan, plan_episode
from salus_collector.rollout import episode_record
from salus_collector.sim.disturbance_config import DisturbanceMix
from salus_collector.sim.families.registry import build_disturbance
from salus_collector.sim.interface import Environment, simulation_of
from salus_collector.sim.report import EventReport
from salus_data.action_space import ActionSpace
from salus_data.episode import EpisodeRecord
from salus_data.errors import ActionError, FormatError
from salus_data.types import Outcome, SupervisorStatus

SECOND = 1_000_000_000  # [ns]
LAST_STAMP = (2**31 - 1) * SECOND
"""A ROS stamp holds no more [ns]."""
STOP_WATCH = 1.0
"""Simulated seconds that a stopped arm is watched on [s]: what is already falling still lands, and
a stop is no way out of a failure that has begun."""


class StaleActionError(ActionError):
    """Raised when an action answers another episode or step than the one that is waited for."""


@dataclass(frozen=True)
class Frame:
    """One observation, ready to be published.

    Attributes:
        step: its index in the episode.
        stamp: simulated time [ns].
        observation: arrays by name (`policy.base.Observation`).
        onset: a candidate event that this observation is the first to show.
        last: the episode ends once this observation has been answered.
    """

    step: int
    stamp: int
    observation: Mapping[str, NDArray[Any]]
    onset: EventReport | None = None
    last: bool = False


class Session:
    """Runs planned episodes in an environment, one action at a time.

    Simulated time never runs backwards. Episode `index` begins at a multiple of a slot that no
    episode outlasts, so its stamps do not depend on which process runs it, nor after which.

    Args:
        environment: of the kind that `salus_collector.sim.registry` makes.
        mix: of disturbances; with the root seed and an index it decides an episode.
        root_seed: of the episodes.
        policy: its name, for the records.

    Raises:
        FormatError: the environment is no simulation.

    Attributes:
        plan: of the running or last episode; None before the first.
        record: of the episode that ended last; None while one is running.
        reason: why it was cut off or discarded; empty otherwise.
    """

    def __init__(
        self,
        environment: Environment,
        mix: DisturbanceMix,
        root_seed: int,
        *,
        policy: str = "",
    ) -> None:
        self._environment = environment
        self._core = simulation_of(environment)
        self._mix = mix
        self._root_seed = root_seed
        self._policy = policy
        self._frame: Frame | None = None
        self._info: dict[str, Any] = {}
        self._first_stamp = 0
        self._last_stamp = 0
        self._steps_stopped = 0
        self.idle_steps = 0
        self.plan: EpisodePlan | None = None
        self.record: EpisodeRecord | None = None
        self.reason = ""

    @property
    def action_space(self) -> ActionSpace:
        """What actions mean here."""
        return self._core.space

    @property
    def task(self) -> str:
        """What is to be done, one line."""
        return self._core.task_description

    @property
    def step_period(self) -> float:
        """Seconds between two steps."""
        return self._core.step_period

    @property
    def waiting_for(self) -> tuple[str, int] | None:
        """Episode and step whose action comes next; None between episodes."""
        return (self.plan.id, self._frame.step) if self._frame and self.plan else None

    @property
    def stamp(self) -> int:
        """Simulated time of the newest observation [ns]."""
        return self._last_stamp

    @property
    def milestones(self) -> tuple[tuple[str, int], ...]:
        """What the task reached so far, and when."""
        return tuple(self._info.get("milestones", ()))

    def start(self, index: int) -> Frame:
        """Begin the episode at that place of the collection; one that is running is cut off.

        Raises:
            FormatError: no stamp is left for so high an index; a running episode goes on.
        """
        self.check_index(index)
        if self._frame is not None:
            self.cut_off(Outcome.TRUNCATED, "a new episode was asked for")
        self.plan = plan_episode(self._root_seed, index, self._mix)
        self.record, self.reason, self._steps_stopped = None, "", 0
        observation, self._info = self._environment.reset(
            seed=self.plan.seed,
            options={"disturbance": build_disturbance(self.plan.disturbance)},
        )
        self.idle_steps = int(self._info["idle_steps"])
        slot = (index + 1) * self._slot()
        self._first_stamp = slot if slot > self._last_stamp else self._last_stamp + SECOND
        self._frame = Frame(0, self._first_stamp, observation)
        self._last_stamp = self._first_stamp
        return self._frame

    def check_index(self, index: int) -> None:
        """Raise FormatError where no stamp is left for an episode at that index."""
        last = LAST_STAMP // self._slot() - 2
        if not 0 <= index <= last:
            raise FormatError(f"index is {index}; give 0 to {last}")

    def apply(
        self,
        episode_id: str,
        step: int,
        action: object,
        *,
        space: str,
        status: SupervisorStatus = SupervisorStatus.NORMAL,
    ) -> Frame | None:
        """Execute the action of the observation that is waited for.

        Returns:
            The next observation, or None where the episode is over: this was the answer to its
            last observation, or the arm has been STOPPED for STOP_WATCH. Then `record` tells how
            it ended.

        Raises:
            StaleActionError: it answers another episode or step; nothing was executed.
            ActionError: wrong action space, size, or not finite; nothing was executed.
        """
        frame = self._frame
        if frame is None or (episode_id, step) != self.waiting_for:
            waiting = "no action: no episode is running"
            if self.waiting_for is not None:
                waiting = f"episode {self.waiting_for[0]!r} step {self.waiting_for[1]}"
            raise StaleActionError(
                f"action for episode {episode_id!r} step {step}; waiting for {waiting}"
            )
        if space != self.action_space.name:
            raise ActionError(
                f"action is in {space!r}; the simulation was started with "
                f"{self.action_space.name!r}"
            )
        checked = self.action_space.check(np.asarray(action, np.float64), step=step)
        if frame.last:
            self._end()
            return None
        self._steps_stopped = self._steps_stopped + 1 if status is SupervisorStatus.STOPPED else 0
        if self._steps_stopped * self.step_period > STOP_WATCH:
            self.cut_off(Outcome.STOPPED, "the supervisor stopped the arm")
            return None
        self._core.freeze_stall(status in (SupervisorStatus.HOLDING, SupervisorStatus.STOPPED))
        observation, _, terminated, truncated, self._info = self._environment.step(checked)
        self._last_stamp = self._first_stamp + round((step + 1) * SECOND * self.step_period)
        self._frame = Frame(
            step + 1,
            self._last_stamp,
            observation,
            onset=self._info.get("onset"),
            last=bool(terminated or truncated),
        )
        return self._frame

    def cut_off(self, outcome: Outcome, reason: str) -> EpisodeRecord:
        """End the running episode from outside: TRUNCATED, or DISCARDED with a reason.

        Raises:
            ActionError: no episode is running.
        """
        if self._frame is None or self.plan is None:
            raise ActionError("no episode is running")
        event = EventReport(outcome=outcome, reason=reason)
        info = self._info | {"event": event}
        self.record = episode_record(self.plan, self._policy, self.task, self.idle_steps, info)
        self.reason, self._frame = reason, None
        return self.record

    @property
    def contact_force(self) -> NDArray[np.float64]:
        """Forces of the latest step that the collision rule reads, one a substep [N]."""
        return np.asarray(self._info.get("contact_force", np.zeros(1)), np.float64)

    @property
    def rows(self) -> int:
        """Rows of the running episode so far, or of the one that ended last."""
        return 1 + round((self._last_stamp - self._first_stamp) / (SECOND * self.step_period))

    def _end(self) -> None:
        if self.plan is not None:
            self.record = episode_record(
                self.plan, self._policy, self.task, self.idle_steps, self._info
            )
            self.reason = self._info["event"].reason
        self._frame = None

    def _slot(self) -> int:
        """Simulated time that one episode takes at most [ns], in whole ten seconds."""
        limit = self._core.config.step_limit * self.step_period + 1.0
        return math.ceil(limit / 10.0) * 10 * SECOND
