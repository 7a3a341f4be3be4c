"""The graph on which faults strike, and what one fault did.

Predictor, supervisor, policy and recorder are processes of their own; the robot is played back
(`playback`).
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from salus_msgs.msg import Contract, FailureForecast, PolicyAction

from salus.bench.audit import Command, why_unsafe
from salus.bench.child import Child
from salus.bench.playback import Heard, PlaybackRobot, Played
from salus_data.errors import SalusError
from salus_data.layout import EE_POSITION
from salus_data.types import SupervisorStatus
from salus_ros import topics
from salus_ros.contract_message import contract_from_message, contract_to_message
from salus_ros.graph import Graph
from salus_ros.meeting import Meetings, met_by

START: Final = 300.0
"""Seconds in which every process must be there."""
STEP_PATIENCE: Final = 30.0
"""Seconds for one command."""
HEARD_WITHIN: Final = 1.0
"""Seconds that a message which one listener has had may take to another."""
STEPS: Final = 60
"""Steps of an episode; the fault strikes at one from FIRST to LAST."""
FIRST: Final = 20
LAST: Final = 44
HOLD_WITHIN: Final = 2
"""Steps from the fault to the hold, at most."""
PATIENCE: Final = {"proposal_patience": 3.0, "forecast_patience": 2.0}
"""Seconds that the supervisor waits for a policy and for a predictor here."""

NODES: Final = {
    "predictor": "salus_predictor.nodes.predictor_node",
    "supervisor": "salus_predictor.nodes.supervisor_node",
    "policy": "salus_collector.nodes.policy_node",
    "recorder": "salus_collector.nodes.recorder_node",
}


@dataclass
class Strike:
    """What one fault did.

    Attributes:
        name: of the fault; step: at which it struck.
        unsafe: commands that should not have been sent, with the reason.
        held_at: first step from the fault on that was not let through; -1: none.
        reason: of the supervisor, then.
        must_hold: the arm had to be held; named: words that the reason must have one of.
        recovered: the episode after it ran without an intervention; why_not: else, the reason.
    """

    name: str
    step: int
    unsafe: list[str] = field(default_factory=list)
    held_at: int = -1
    reason: str = ""
    must_hold: bool = False
    named: tuple[str, ...] = ()
    recovered: bool = False
    why_not: str = ""

    @property
    def in_time(self) -> bool:
        """Whether the arm was held where it had to be, soon enough, and for the right reason."""
        if not self.must_hold:
            return True
        soon = 0 <= self.held_at - self.step <= HOLD_WITHIN
        return soon and any(word in self.reason for word in self.named)

    def problems(self) -> list[str]:
        """Everything that went wrong, in words."""
        found = list(self.unsafe)
        if not self.in_time:
            held = f"held at {self.held_at}" if self.held_at >= 0 else "never held"
            found.append(f"{held}, reason {self.reason!r}, wanted one of {', '.join(self.named)}")
        if not self.recovered:
            found.append(f"the next episode was disturbed: {self.why_not or 'no command'}")
        return found


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        strike: causes it at a step, after that step's observation was published, or instead.
        after: puts things right for the next episode.
        must_hold, named: as of `Strike`.
        observes: it publishes the observation of its step itself.
    """

    strike: Callable[["Stage", int], None]
    after: Callable[["Stage"], None] | None = None
    must_hold: bool = False
    named: tuple[str, ...] = ()
    observes: bool = False


class Stage:
    """The processes, and the robot that is played back to them.

    Args:
        graph: of this process; domain: of ROS.
        played: the robot's episode.
        model: folder of the predictor.
        policy: parameters of policy_node.
        folder: for the recorder's store.

    Raises:
        SalusError: a process did not start, or the model cannot forecast for this policy.
    """

    def __init__(
        self,
        graph: Graph,
        domain: int,
        played: Played,
        model: str,
        policy: dict[str, Any],
        folder: Path,
    ) -> None:
        self.graph, self.played = graph, played
        parameters: dict[str, dict[str, Any]] = {
            "predictor": {"model": model},
            "supervisor": {"supervise": "active", "rules": "''", **PATIENCE},
            "policy": policy,
            "recorder": {"store": str(folder / "w0.zarr")},
        }
        self.children = {
            who: Child(module, topics.NAMESPACE, domain, parameters[who])
            for who, module in NODES.items()
        }
        self.robot = graph.add(lambda **o: PlaybackRobot(played, proposes=False, **o))
        make, hear = self.robot.create_publisher, self.robot.create_subscription
        self.forecasts = make(FailureForecast, topics.FORECAST, topics.STEP_QOS)
        self.proposals = make(PolicyAction, topics.ACTION_PROPOSED, topics.STEP_QOS)
        self.offset = 0  # of the robot's clock [ns]
        self._contract: Contract | None = None  # the policy's own
        self._contracts: Any = None
        self._meetings = Meetings()
        hear(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 100)
        hear(Contract, topics.CONTRACT, self._on_contract, topics.LATCHED_QOS)

    # --- processes -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start what does not run, and serve until everybody has met everybody."""
        self.graph.spin_for(0.2)  # what the dead have sent
        new = [who for who, child in self.children.items() if not child.alive]
        self._meetings.restart(new)
        for who in new:
            self.children[who].start()

        def ready() -> bool:
            for child in self.children.values():
                child.require_alive()
            return not self._gap()

        if not self.graph.spin_until(ready, START):
            raise SalusError(f"not ready within {START:.0f} s: {self._gap()}")

    def _gap(self) -> str:
        self._meetings.hear("robot", met_by(self.robot))
        return self._meetings.gap([*self.children, "robot"])

    def close(self) -> None:
        """End every process."""
        for child in self.children.values():
            child.close()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            who = status.name.rpartition("/")[2].removesuffix("_node")
            self._meetings.hear(who, {pair.key: pair.value for pair in status.values})

    def _on_contract(self, message: Contract) -> None:
        self._contract = self._contract or message

    def change_contract(self) -> None:
        """Publish a contract that differs from the policy's."""
        if self._contract is None:
            raise SalusError("policy_node published no contract")
        contract = dataclasses.replace(
            contract_from_message(self._contract), policy_digest="another"
        )
        changed = contract_to_message(
            contract,
            int(self._contract.policy_signals),
            embedding_size=int(self._contract.embedding_size),
        )
        self._contracts = self.robot.create_publisher(Contract, topics.CONTRACT, topics.LATCHED_QOS)
        self.graph.spin_until(lambda: self._contracts.get_subscription_count() > 3, 10.0)
        self._contracts.publish(changed)
        self.graph.spin_for(0.3)

    def restore_contract(self) -> None:
        """Publish the policy's contract again."""
        self._contracts.publish(self._contract)
        self.graph.spin_for(0.3)
        self.robot.destroy_publisher(self._contracts)

    # --- episodes --------------------------------------------------------------------------------

    def run(self, fault: Fault | None, name: str, at: int) -> Strike:
        """One episode; the fault strikes at that step of it."""
        robot, strike = self.robot, Strike(name, at)
        if fault is not None:
            strike.must_hold, strike.named = fault.must_hold, fault.named
        self.offset = 0
        episode = robot.begin()
        heard = robot.heard[episode]
        self.graph.spin_for(0.02)
        for step in range(min(STEPS, len(self.played))):
            struck = fault is not None and step == at
            if not (struck and fault is not None and fault.observes):
                self.observe(step)
            if struck and fault is not None:
                self._hear(heard, step - 1)
                fault.strike(self, step)
            if not self.graph.spin_until(lambda step=step: step in heard.actions, STEP_PATIENCE):  # type: ignore[misc]
                strike.unsafe.append(f"no command at all for step {step}")
                break
        robot.end()
        self.graph.spin_for(0.1)
        self._judge(strike, heard)
        if fault is not None and fault.after is not None:
            fault.after(self)
        del robot.heard[episode]
        return strike

    def _hear(self, heard: Heard, step: int) -> None:
        """Wait for what the supervisor decided that step by: who is killed sends us no more."""
        told = (heard.all_forecasts, heard.all_proposals)
        self.graph.spin_until(lambda: all(step in messages for messages in told), HEARD_WITHIN)

    def observe(self, step: int) -> None:
        """Publish an observation, by the robot's clock."""
        for publisher, message in self.robot.observation(step, self.stamp(step)):
            publisher.publish(message)

    def stamp(self, step: int) -> int:
        """Of an observation, by the robot's clock [ns]."""
        return self.robot.stamp(step) + self.offset

    def _judge(self, strike: Strike, heard: Heard) -> None:
        states = self.played.states
        places = np.array([state[EE_POSITION] for state in states])
        last = 1.0
        for step in sorted(heard.actions):
            action = heard.actions[step]
            width = float(states[step][7:9].sum())
            command = Command(
                action,
                heard.all_proposals.get(step, []),
                heard.all_forecasts.get(step, []),
                (last, min(1.0, width / 0.08)),
                places[step],
                places[: step + 1],
            )
            if why := why_unsafe(command):
                strike.unsafe.append(f"step {step}: {why}")
            if len(action.values):
                last = float(action.values[-1])
            passed = action.supervisor_state == SupervisorStatus.NORMAL
            if step >= strike.step and strike.held_at < 0 and not passed:
                strike.held_at = step
        told = [s for s in heard.states if s.step >= strike.step and s.reason]
        strike.reason = told[0].reason if told else ""
