"""Faults while a robot runs: processes that die or freeze, floods, disorder, NaN, clocks.

Predictor, supervisor, policy and recorder are processes of their own; the robot is played back
(`playback`). Each fault strikes once, amid an episode of its own; every command that comes back is
judged from outside (`audit`). What must hold the arm must do so within two steps, for a reason that
names the fault; the next episode without a fault must run as if nothing had been.
"""

import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from salus_msgs.msg import Contract, FailureForecast, PerceivedObjects, PolicyAction

from salus.bench.audit import Command, why_unsafe
from salus.bench.harness import Benchmark, Row
from salus.bench.playback import SECOND, Child, Heard, PlaybackRobot, Played, record
from salus_collector.policy.expert import Expert
from salus_data.errors import SalusError
from salus_data.layout import EE_POSITION
from salus_data.types import SupervisorStatus
from salus_ros import convert, topics
from salus_ros.contract_message import contract_to_message
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph

START: Final = 300.0  # [s] in which every process must be there
STEP_PATIENCE: Final = 30.0  # [s] for one command
STEPS: Final = 60
"""Steps of an episode; the fault strikes at a random one from FIRST on."""
FIRST: Final = 20
HOLD_WITHIN: Final = 2
"""Steps from the fault to the hold, at most."""
PATIENCE: Final = {"proposal_patience": 1.0, "forecast_patience": 0.5}
SEED: Final = 11

PREDICTOR = "salus_predictor.nodes.predictor_node"
SUPERVISOR = "salus_predictor.nodes.supervisor_node"
POLICY = "salus_collector.nodes.policy_node"
RECORDER = "salus_collector.nodes.recorder_node"


@dataclass
class Strike:
    """What one fault did.

    Attributes:
        name: of the fault; step: at which it struck.
        unsafe: commands that should not have been sent, with the reason.
        held_at: first step from the fault on that was not let through; -1: none.
        reason: of the supervisor, then.
        recovered: the episode after it ran without an intervention.
        must_hold: the arm had to be held; named: words that the reason must have one of.
    """

    name: str
    step: int
    unsafe: list[str] = field(default_factory=list)
    held_at: int = -1
    reason: str = ""
    recovered: bool = False
    must_hold: bool = False
    named: tuple[str, ...] = ()

    @property
    def in_time(self) -> bool:
        """Whether the arm was held where it had to be, soon enough, and for the right reason."""
        if not self.must_hold:
            return True
        soon = 0 <= self.held_at - self.step <= HOLD_WITHIN
        return soon and any(word in self.reason for word in self.named)


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
    """The graph on which faults strike.

    Args:
        graph: of this process; domain: of ROS.
        model: folder of the predictor.
        folder: for the recorder's store.
    """

    def __init__(self, graph: Graph, domain: int, played: Played, model: str, folder: Path) -> None:
        self.graph, self.played = graph, played
        space = topics.NAMESPACE
        self.children = {
            "predictor": Child(PREDICTOR, space, domain, {"model": model}),
            "supervisor": Child(
                SUPERVISOR, space, domain, {"supervise": "active", "rules": "''", **PATIENCE}
            ),
            "policy": Child(POLICY, space, domain, {"policy": "expert", "cameras": "['']"}),
            "recorder": Child(RECORDER, space, domain, {"store": str(folder / "w0.zarr")}),
        }
        for child in self.children.values():
            child.start()
        self.robot = graph.add(lambda **o: PlaybackRobot(played, proposes=False, **o))
        make = self.robot.create_publisher
        self.forecasts = make(FailureForecast, topics.FORECAST, topics.STEP_QOS)
        self.proposals = make(PolicyAction, topics.ACTION_PROPOSED, topics.STEP_QOS)
        self.offset = 0  # of the robot's clock [ns]
        self._contracts: Any = None
        self.wait_for_everybody()

    def wait_for_everybody(self) -> None:
        """Serve until every process is in the graph."""
        robot = self.robot

        def ready() -> bool:
            for child in self.children.values():
                child.require_alive()
            return bool(
                robot.count_publishers(topics.FORECAST) > 1
                and robot.count_publishers(topics.ACTION_PROPOSED) > 1
                and robot.count_publishers(topics.ACTION) == 1
                and robot.count_publishers(topics.RECORDING) == 1
                and robot.count_subscribers(topics.PERCEIVED) >= len(self.children)
                and robot.count_subscribers(topics.ACTION) >= len(self.children)
            )

        if not self.graph.spin_until(ready, START):
            raise SalusError(f"not every node was heard within {START:.0f} s")
        # Discovery is symmetric only after a moment more.
        self.graph.spin_for(1.0)

    def change_contract(self) -> None:
        """Publish a contract that differs from the policy's."""
        import dataclasses

        contract = dataclasses.replace(self.played.contract, policy_digest="changed")
        self._contracts = self.robot.create_publisher(Contract, topics.CONTRACT, 10)
        self.graph.spin_until(lambda: self._contracts.get_subscription_count() >= 2, 10.0)
        self._contracts.publish(contract_to_message(contract, 0))
        self.graph.spin_for(0.2)

    def restore_contract(self) -> None:
        """Publish the policy's contract again."""
        self._contracts.publish(contract_to_message(self.played.contract, 0))
        self.graph.spin_for(0.2)
        self.robot.destroy_publisher(self._contracts)

    def run(self, fault: Fault | None, name: str, at: int) -> Strike:
        """One episode; the fault strikes at that step of it."""
        robot, strike = self.robot, Strike(name, at)
        if fault is not None:
            strike.must_hold, strike.named = fault.must_hold, fault.named
        self.offset = 0
        episode = robot.begin()
        heard = robot.heard[episode]
        self.graph.spin_for(0.02)
        for step in range(STEPS):
            struck = fault is not None and step == at
            if not (struck and fault is not None and fault.observes):
                self.observe(step)
            if struck and fault is not None:
                fault.strike(self, step)
            if not self._answered(heard, step):
                strike.unsafe.append(f"no command at all for step {step}")
                break
        robot.end()
        self.graph.spin_for(0.1)
        self._judge(strike, episode)
        if fault is not None and fault.after is not None:
            fault.after(self)
        del robot.heard[episode]
        return strike

    def _answered(self, heard: Heard, step: int) -> bool:
        """Serve until a command for the step has come; False where none does."""
        return self.graph.spin_until(lambda: step in heard.actions, STEP_PATIENCE)

    def observe(self, step: int) -> None:
        """Publish an observation, by the robot's clock."""
        for publisher, message in self.robot.observation(step, self.stamp(step)):
            publisher.publish(message)

    def stamp(self, step: int) -> int:
        """Of an observation, by the robot's clock [ns]."""
        return self.robot.stamp(step) + self.offset

    def _judge(self, strike: Strike, episode: str) -> None:
        heard, states = self.robot.heard[episode], self.played.states
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


# --- the faults -----------------------------------------------------------------------------------


def _kill(who: str) -> Callable[[Stage, int], None]:
    return lambda stage, _: stage.children[who].signal(signal.SIGKILL)


def _restart(who: str) -> Callable[[Stage], None]:
    def restart(stage: Stage) -> None:
        stage.children[who].start()
        stage.wait_for_everybody()

    return restart


def _freeze(who: str, seconds: float) -> Callable[[Stage, int], None]:
    def freeze(stage: Stage, step: int) -> None:
        del step
        child = stage.children[who]
        child.signal(signal.SIGSTOP)
        stage.graph.spin_for(seconds)
        child.signal(signal.SIGCONT)

    return freeze


def _flood(stage: Stage, step: int) -> None:
    """Old, foreign and impossible messages on every topic that the supervisor hears."""
    robot = stage.robot
    for k in range(200):
        old, ahead = max(0, step - 1 - k % 5), step + 50 + k
        episode = (robot.episode, "0-000099")[k % 2]
        for place, number in ((old, 0), (ahead, 1)):
            values = [0.02] * 6 + [0.0] if number else [float("nan")] * 7
            stage.proposals.publish(
                PolicyAction(
                    header=convert.header(stage.stamp(place)),
                    episode_id=episode,
                    step=place,
                    action_space="delta_ee",
                    values=values,
                )
            )
            stage.forecasts.publish(
                FailureForecast(episode_id=episode, step=place, stale_reason="noise")
            )


def _disorder(stage: Stage, step: int) -> None:
    """The observation's parts come the wrong way round, late, and some of them twice."""
    parts = stage.robot.observation(step, stage.stamp(step))
    for publisher, message in (*reversed(parts), parts[0]):
        publisher.publish(message)
        stage.graph.spin_for(0.02)


def _broken(change: Callable[[Any], None]) -> Callable[[Stage, int], None]:
    """An observation in which something is not a number."""

    def strike(stage: Stage, step: int) -> None:
        for publisher, message in stage.robot.observation(step, stage.stamp(step)):
            change(message)
            publisher.publish(message)

    return strike


def _nan_joints(message: Any) -> None:
    if hasattr(message, "effort"):
        message.position = [float("nan")] * len(message.position)


def _nan_pose(message: Any) -> None:
    if hasattr(message, "pose"):
        message.pose.position.x = float("nan")


def _nan_object(message: Any) -> None:
    if isinstance(message, PerceivedObjects):
        message.poses[0].position.x = float("nan")


def _jump(seconds: float) -> Callable[[Stage, int], None]:
    def jump(stage: Stage, step: int) -> None:
        stage.offset += round(seconds * SECOND)
        stage.observe(step)

    return jump


FAULTS: Final = {
    "kill predictor": Fault(
        _kill("predictor"), _restart("predictor"), True, ("no forecast", "stale forecast")
    ),
    "kill policy": Fault(_kill("policy"), _restart("policy"), True, ("no proposed action",)),
    "kill recorder": Fault(_kill("recorder"), _restart("recorder")),
    "freeze predictor": Fault(_freeze("predictor", 0.8), must_hold=False),
    "freeze policy": Fault(_freeze("policy", 1.3), must_hold=False),
    "freeze supervisor": Fault(_freeze("supervisor", 0.3), must_hold=False),
    "flood": Fault(_flood),
    "disorder": Fault(_disorder, observes=True),
    "NaN joints": Fault(_broken(_nan_joints), must_hold=True, named=("not finite", "nan"),
                        observes=True),
    "NaN pose": Fault(_broken(_nan_pose), must_hold=True, named=("not finite", "nan"),
                      observes=True),
    "NaN object": Fault(_broken(_nan_object), observes=True),
    "clock forward": Fault(_jump(5.0), must_hold=True, named=("clock",), observes=True),
    "clock back": Fault(_jump(-2.0), must_hold=True, named=("clock",), observes=True),
    "contract": Fault(
        lambda stage, _: stage.change_contract(),
        lambda stage: stage.restore_contract(),
        must_hold=True,
        named=("contract",),
    ),
}  # fmt: skip
"""Every kind of fault. A freeze may end before anybody has waited in vain; then nothing is held."""


def inject(
    model: str,
    faults: int,
    *,
    names: tuple[str, ...] = tuple(FAULTS),
    on_strike: Callable[[Strike], None] | None = None,
) -> list[Strike]:
    """Let so many faults strike, of the named kinds in turn, at random steps.

    Raises:
        SalusError: a process did not start, or ended by itself.
    """
    random = np.random.default_rng(SEED)
    played = record(Expert())
    strikes = []
    with ExitStack() as stack:
        domain = stack.enter_context(claimed_domain())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        graph = stack.enter_context(Graph(domain))
        stage = Stage(graph, domain, played, model, folder)
        for child in stage.children.values():
            stack.callback(child.close)
        for k in range(faults):
            name = names[k % len(names)]
            strike = stage.run(FAULTS[name], name, int(random.integers(FIRST, STEPS - 15)))
            calm = stage.run(None, "none", FIRST)
            strike.recovered = calm.held_at < 0 and not calm.unsafe
            strike.unsafe += calm.unsafe
            strikes.append(strike)
            if on_strike is not None:
                on_strike(strike)
    return strikes


def measure(model: str, faults: int) -> Benchmark:
    """Let faults strike; a table of what they did."""
    from rich.console import Console

    console = Console(stderr=True)

    def tell(strike: Strike) -> None:
        if strike.unsafe or not strike.in_time or not strike.recovered:
            console.print(
                f"{strike.name} at step {strike.step}: held at {strike.held_at} "
                f"({strike.reason}); recovered {strike.recovered}; {strike.unsafe[:2]}",
                highlight=False,
            )

    strikes = inject(model, faults, on_strike=tell)
    must = [strike for strike in strikes if strike.must_hold]
    counts = Counter(strike.name for strike in strikes)
    return Benchmark(
        "faults-online",
        (
            Row("faults injected", len(strikes), "", "asked for", faults, at_least=1),
            Row("unsafe commands", sum(len(s.unsafe) for s in strikes), "", at_most=0),
            Row("held within 2 steps, right reason", sum(s.in_time for s in must), "",
                "that must hold", max(len(must), 1), at_least=1),
            Row("next episode undisturbed", sum(s.recovered for s in strikes), "", "faults",
                len(strikes), at_least=1),
        ),
        {name: f"{count}x" for name, count in counts.items()},
    )  # fmt: skip
