"""Which messages make a step, and how long to wait for them.

Lockstep waits for proposal k and forecast k, so that a run is reproducible. It waits on a wall
clock: when a process has died, simulated time stands still with it. Realtime does not wait for the
forecast; it takes the newest one while that is young enough.
"""

from collections import Counter, deque
from dataclasses import dataclass

from salus_data.contract import Contract
from salus_predictor.supervisor.config import SupervisorConfig
from salus_predictor.supervisor.core import Mode, Ruling, StepInputs, Supervisor
from salus_predictor.supervisor.failsafe import ClockWatch, ContractWatch, forecast_age_fault
from salus_predictor.supervisor.machine import Machine, Manual
from salus_predictor.supervisor.risk import Risk
from salus_predictor.supervisor.rules import DemandsOf, RuleBook
from salus_predictor.supervisor.slots import Array, Proposal, Slot, Slots

PAST_EPISODES = 8
FORECASTS_KEPT = 64
AHEAD = 2
"""Steps beyond the newest one known that a message may speak of: topics keep no order."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in wall time [s], and how old a forecast may be [s of its stamps].

    Attributes:
        lockstep: whether the forecast of the very step is waited for.
        proposal: from the observation to the proposed action.
        forecast: lockstep: from the proposed action to the forecast.
        lost: instead of either, once it was waited for in vain and until it is heard again.
        forecast_age: realtime: how far the newest forecast may be behind.
    """

    lockstep: bool = True
    proposal: float = 10.0
    forecast: float = 2.0
    lost: float = 0.1
    forecast_age: float = 0.067


@dataclass(frozen=True)
class Release:
    """A decided step: which it is, and the ruling on it.

    Attributes:
        waited_since: wall time [s] at which its proposal came; None where it never did.
    """

    stamp: int
    episode: str
    step: int
    chunk_phase: int
    ruling: Ruling
    waited_since: float | None = None


class Gate:
    """Collects messages in any order; every method returns the steps that it let be decided.

    Args:
        config: rules and limits.
        mode: how much it may do; None: by the calibration (`Supervisor`).
        patience: how long to wait.
        demands: what asks for interventions; the rules of `config` unless told.

    Attributes:
        supervisor: rules on steps; None until a contract has come.
        counts: what was late, double, dropped or waited for in vain.
    """

    def __init__(
        self,
        config: SupervisorConfig,
        mode: Mode | None,
        patience: Patience,
        demands: DemandsOf = RuleBook,
    ) -> None:
        self._config, self._mode, self._patience = config, mode, patience
        self._demands = demands
        self.supervisor: Supervisor | None = None
        self.contract: Contract | None = None
        self.counts: Counter[str] = Counter()
        self._contracts = ContractWatch()
        self._next_contract: Contract | None = None
        self._clock: ClockWatch | None = None
        self._slots = Slots()
        self._risks: dict[tuple[str, int], Risk] = {}
        self._past: deque[str] = deque(maxlen=PAST_EPISODES)
        self._lost: set[str] = set()
        self.episode, self._decided, self._observed, self._running = "", -1, -1, False

    # --- what is heard ---------------------------------------------------------------------------

    def on_contract(self, contract: Contract, now: float) -> list[Release]:
        """Hear the contract; a change counts from the next episode on, until then it holds."""
        self._contracts.hear(contract.digest(), episode_running=self._running)
        self._next_contract = contract
        if self.supervisor is None or not self._running:
            self._adopt_contract()
        return self.on_time(now)

    def on_episode(self, episode: str, *, running: bool, now: float) -> list[Release]:
        """Hear that an episode has started, or ended."""
        if running and self._is_new(episode):
            self._begin(episode)
        elif not running and episode == self.episode:
            self._running = False
        return self.on_time(now)

    def on_observation(self, stamp: int, episode: str, step: int, now: float) -> list[Release]:
        """Hear which step of which episode the observation with that stamp [ns] is."""
        if self._is_new(episode):
            self._begin(episode)
        if self._is_late(episode, step):
            return []
        self._observed = max(self._observed, step)
        slot = self._slots.at(stamp)
        slot.episode, slot.step = episode, step
        if slot.observed_at is None:
            slot.observed_at = now
        return self.on_time(now)

    def on_joints(self, stamp: int, joints: Array, now: float) -> list[Release]:
        """Hear positions, velocities and efforts (27,) of joints and fingers."""
        self._slots.at(stamp).see(joints=joints)
        return self.on_time(now)

    def on_pose(self, stamp: int, pose: Array, now: float) -> list[Release]:
        """Hear the gripper's pose (7,) in the base frame."""
        self._slots.at(stamp).see(pose=pose)
        return self.on_time(now)

    def on_proposal(
        self, stamp: int, episode: str, step: int, proposal: Proposal, now: float
    ) -> list[Release]:
        """Hear what the policy proposes; the first proposal of a step counts."""
        if self._is_early(episode, step):
            return []
        self._heard("policy", episode, step)
        if self._is_late(episode, step):
            return []
        slot = self._slots.at(stamp)
        if slot.proposal is not None:
            self.counts["double_proposals"] += 1
            return []
        slot.episode, slot.step = episode, step
        slot.proposal, slot.proposed_at = proposal, now
        return self.on_time(now)

    def on_forecast(self, episode: str, risk: Risk, now: float) -> list[Release]:
        """Hear a forecast."""
        if self._is_early(episode, risk.step):
            return []
        self._heard("predictor", episode, risk.step)
        self._risks.setdefault((episode, risk.step), risk)
        while len(self._risks) > FORECASTS_KEPT:
            del self._risks[next(iter(self._risks))]
        if episode == self.episode and risk.step <= self._decided and self._patience.lockstep:
            self.counts["late_forecasts"] += 1
        return self.on_time(now)

    def on_time(self, now: float) -> list[Release]:
        """Decide every step that is whole or has waited too long, in order."""
        if self.supervisor is None:
            return []
        releases = []
        for slot in self._slots.waiting(self.episode):
            missing = self._missing(slot)
            waited = self._waited(slot, missing, now)
            if missing and not waited:
                continue
            release = self._decide(self.supervisor, slot, missing)
            if release is not None:
                releases.append(release)
        return releases

    # --- the operator ----------------------------------------------------------------------------

    @property
    def machine(self) -> Machine | None:
        """The state machine, for the operator's requests; None until a contract has come."""
        return self.supervisor.machine if self.supervisor else None

    # --- inside ----------------------------------------------------------------------------------

    def _is_new(self, episode: str) -> bool:
        return episode != self.episode and episode not in self._past

    def _is_late(self, episode: str, step: int) -> bool:
        late = episode in self._past or (episode == self.episode and step <= self._decided)
        self.counts["late_messages"] += late
        return late

    def _is_early(self, episode: str, step: int) -> bool:
        """Whether it speaks of a step that nobody can have seen yet."""
        # What has been decided exists, too, however late its observation comes here.
        newest = max(self._observed, self._decided)
        early = episode == self.episode and 0 <= newest < step - AHEAD
        self.counts["early_messages"] += early
        return early

    def _begin(self, episode: str) -> None:
        if self.episode:
            self._past.append(self.episode)
        self.episode, self._decided, self._observed, self._running = episode, -1, -1, True
        self._lost.clear()  # who was waited for in vain gets a new chance
        self._slots.keep_only(episode)
        self._risks = {key: risk for key, risk in self._risks.items() if key[0] == episode}
        self._contracts.begin()
        self._adopt_contract()
        if self.supervisor is not None:
            self.supervisor.begin()
        if self._clock is not None:
            self._clock.begin()

    def _adopt_contract(self) -> None:
        contract, self._next_contract = self._next_contract, None
        if contract is None or contract == self.contract:
            return
        manual = Manual.NONE if self.supervisor is None else self.supervisor.machine.manual
        self.contract = contract
        self.supervisor = Supervisor(
            contract.action_space, contract.step_period, self._config, self._mode, self._demands
        )
        self._clock = ClockWatch(contract.step_period)
        if manual is not Manual.NONE:
            self.supervisor.machine.take_over(manual, "kept over a change of the contract")

    def _heard(self, source: str, episode: str, step: int) -> None:
        """A source is alive again when it speaks of the last decided step or a later one."""
        if episode == self.episode and step >= self._decided:
            self._lost.discard(source)

    def _missing(self, slot: Slot) -> str:
        """The first thing that the step still lacks; empty where it is whole."""
        supervisor = self.supervisor
        assert supervisor is not None
        by_hand = supervisor.machine.manual is not Manual.NONE or supervisor.machine.by_operator
        if supervisor.mode is not Mode.PASS_THROUGH or by_hand:
            if slot.observed_at is None:
                return "observation"
            if slot.posture is None:
                return "posture"
        if self._may_act(supervisor) and supervisor.gripper_known and not _finite(slot):
            return ""  # it holds whatever is proposed; a policy may well propose nothing
        if slot.proposal is None:
            return "proposal"
        watched = supervisor.mode is not Mode.PASS_THROUGH
        if watched and self._patience.lockstep and (slot.episode, slot.step) not in self._risks:
            return "forecast"
        return ""

    def _waited(self, slot: Slot, missing: str, now: float) -> bool:
        """Whether what is missing was waited for long enough."""
        if missing == "forecast" and slot.proposed_at is not None:
            limit = self._patience.lost if "predictor" in self._lost else self._patience.forecast
            return now - max(slot.proposed_at, slot.observed_at or 0.0) >= limit
        if slot.observed_at is None:
            return False
        limit = self._patience.lost if "policy" in self._lost else self._patience.proposal
        return now - slot.observed_at >= limit

    def _decide(self, supervisor: Supervisor, slot: Slot, missing: str) -> Release | None:
        proposal = slot.proposal
        if missing == "proposal" and not self._may_act(supervisor):
            # Nothing to let through, and no right to invent an action: it goes on waiting.
            if "policy" not in self._lost:
                self.counts["proposals_missed"] += 1
            self._lost.add("policy")
            return None
        faults = self._faults(slot, missing)
        inputs = StepInputs(
            proposed=proposal.values if proposal is not None and self._fits(proposal) else None,
            posture=slot.posture,
            risk=self._risk(slot),
            faults=tuple(faults),
        )
        self._decided = slot.step
        self._slots.close(slot)
        ruling = supervisor.decide(inputs)
        phase = proposal.chunk_phase if proposal is not None else -1
        return Release(slot.stamp, slot.episode, slot.step, phase, ruling, slot.proposed_at)

    @staticmethod
    def _may_act(supervisor: Supervisor) -> bool:
        machine = supervisor.machine
        if machine.manual is Manual.PASS_THROUGH:
            return False
        by_hand = machine.manual is not Manual.NONE or machine.by_operator
        return by_hand or supervisor.mode is Mode.ACTIVE

    def _faults(self, slot: Slot, missing: str) -> list[str]:
        faults = []
        if self._contracts.fault:
            faults.append(self._contracts.fault)
        if self._clock is not None and (fault := self._clock.observe(slot.step, slot.stamp)):
            faults.append(fault)
        if missing == "posture":
            faults.append(f"no joint states or pose for step {slot.step}")
        elif (posture := slot.posture) is not None and not posture.finite:
            faults.append(f"joint states or pose are not finite at step {slot.step}")
        if missing == "proposal":
            self._lost.add("policy")
            self.counts["proposals_missed"] += 1
            faults.append(f"no proposed action for step {slot.step}")
        elif slot.proposal is not None and not self._fits(slot.proposal):
            faults.append(
                f"proposed action is in {slot.proposal.space!r}, which is not the contract's space"
            )
        if missing == "forecast":
            self._lost.add("predictor")
            self.counts["forecasts_missed"] += 1
            faults.append(f"no forecast for step {slot.step}")
        if not self._patience.lockstep and (fault := self._age_fault(slot)):
            faults.append(fault)
        return faults

    def _fits(self, proposal: Proposal) -> bool:
        return self.contract is not None and proposal.space == self.contract.action_space.name

    def _age_fault(self, slot: Slot) -> str:
        supervisor, contract = self.supervisor, self.contract
        if supervisor is None or contract is None or supervisor.mode is Mode.PASS_THROUGH:
            return ""
        newest = self._newest(slot)
        limit = max(1, round(self._patience.forecast_age / contract.step_period))
        fault = forecast_age_fault(slot.step, None if newest is None else newest.step, limit)
        self.counts["forecasts_missed"] += bool(fault)
        return fault

    def _risk(self, slot: Slot) -> Risk | None:
        if self._patience.lockstep:
            return self._risks.get((slot.episode, slot.step))
        return self._newest(slot)

    def _newest(self, slot: Slot) -> Risk | None:
        steps = [s for e, s in self._risks if e == slot.episode and s <= slot.step]
        return self._risks[(slot.episode, max(steps))] if steps else None


def _finite(slot: Slot) -> bool:
    posture = slot.posture
    return posture is None or posture.finite
