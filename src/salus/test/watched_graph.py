"""The whole graph in one process, with a predictor and a supervisor, for tests."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.experimental import EventsExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.parameter import Parameter
from salus_msgs.msg import (
    EpisodeEvent,
    FailureForecast,
    FailureWarning,
    PolicyAction,
    RecordingStatus,
    SupervisorState,
)
from salus_msgs.srv import Reset

from salus_collector.nodes.policy_node import PolicyNode
from salus_collector.nodes.recorder_node import RecorderNode
from salus_collector.nodes.sim_node import SimNode
from salus_collector.policy.expert import Expert
from salus_data.contract import Contract
from salus_data.layout import PERCEIVED, STATE
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_predictor.nodes.predictor_node import PredictorNode
from salus_predictor.nodes.supervisor_node import SupervisorNode
from salus_predictor.online.watched import WatchedModel
from salus_ros import topics
from salus_ros.domain import claimed_domain

CONTRACT = Contract(
    1 / 30,
    Expert.action_space,
    STATE,
    PERCEIVED,
    ROBOT_SIGNAL_COLUMNS,
    cameras=(),
    policy="expert",
)
"""What the graph's expert and robot give."""

HEARD = {
    "forecasts": (FailureForecast, topics.FORECAST, topics.STEP_QOS),
    "warnings": (FailureWarning, topics.WARNING, topics.STEP_QOS),
    "actions": (PolicyAction, topics.ACTION, topics.STEP_QOS),
    "states": (SupervisorState, topics.SUPERVISOR, topics.LATCHED_QOS),
    "episodes": (EpisodeEvent, topics.EPISODE, topics.EVENT_QOS),
    "recordings": (RecordingStatus, topics.RECORDING, topics.LATCHED_QOS),
}


_NUMBERS = itertools.count()


class Graph:
    """Runs the nodes and keeps what they say in `heard`, by name."""

    def __init__(
        self,
        out: Path,
        context: Context,
        model: Callable[[str], WatchedModel],
        *,
        predictor: bool = True,
        disturbances: str = "none",
        **supervisor: Any,
    ) -> None:
        self.store = out / "w0.zarr"
        self._context, self._load = context, model
        # Discovery takes a while to forget the graph of the test before.
        self.namespace = f"{topics.NAMESPACE}_{next(_NUMBERS)}"
        self.executor = EventsExecutor(context=context)
        self.heard: dict[str, list[Any]] = {name: [] for name in HEARD}
        self.nodes: dict[str, Node] = {}
        sim = {"image_size": 0, "seed": 7, "disturbances": disturbances, "policy": "expert"}
        self.add("supervisor", SupervisorNode, **supervisor)
        if predictor:
            self.start_predictor()
        self.add("recorder", RecorderNode, store=str(self.store))
        self.add("sim", SimNode, **sim)
        self.add("policy", PolicyNode, cameras=[""])
        self.ear = self._make(Node, {}, "ear")
        for name, (kind, topic, qos) in HEARD.items():
            self.ear.create_subscription(kind, topic, self.heard[name].append, qos)
        self._reset = self.ear.create_client(Reset, "reset")

    def start_predictor(self) -> None:
        """A predictor that reads its model with the given function."""
        make = lambda **options: PredictorNode(self._load, **options)  # noqa: E731
        self.add("predictor", make, model="m")

    def add(self, name: str, make: Any, **parameters: Any) -> Node:
        """Make a node with these parameters and serve it."""
        self.nodes[name] = self._make(make, parameters)
        return self.nodes[name]

    def _make(self, make: Any, parameters: dict[str, Any], *arguments: Any) -> Node:
        overrides = [Parameter(key, value=value) for key, value in parameters.items()]
        node: Node = make(
            *arguments,
            namespace=self.namespace,
            context=self._context,
            parameter_overrides=overrides,
        )
        self.executor.add_node(node)
        return node

    def kill(self, name: str) -> None:
        """Take a node out of the graph, as its process would go."""
        node = self.nodes.pop(name)
        self.executor.remove_node(node)
        close = getattr(node, "close", None)
        if close is not None:
            close()
        node.destroy_node()

    def spin_until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Serve callbacks until something is so; fails where it takes too long."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, (
                f"heard so far: { {k: len(v) for k, v in self.heard.items()} }"
            )
            # A killed node may have had callbacks in the queue.
            with contextlib.suppress(rclpy_implementation.InvalidHandle):
                self.executor.spin_once(timeout_sec=0.05)

    def start(self, index: int) -> None:
        """Ask for an episode."""
        self.spin_until(lambda: bool(self.heard["recordings"]) and self._reset.service_is_ready())
        answer = self._reset.call_async(Reset.Request(index=index))
        self.spin_until(answer.done)
        assert answer.result().success, answer.result().message

    def finish(self, number: int = 1) -> EpisodeEvent:
        """Serve until so many episodes are recorded or discarded; the last one's end."""
        done = (RecordingStatus.STATE_COMMITTED, RecordingStatus.STATE_DISCARDED)
        self.spin_until(lambda: sum(r.state in done for r in self.heard["recordings"]) >= number)
        return [e for e in self.heard["episodes"] if e.kind == EpisodeEvent.KIND_ENDED][-1]

    def run(self, index: int = 0) -> EpisodeEvent:
        """One whole episode."""
        before = len(self.heard["recordings"])
        self.start(index)
        return self.finish(max(1, before))

    def steps(self, number: int) -> None:
        """Serve until so many actions were let through."""
        self.spin_until(lambda: len(self.heard["actions"]) >= number)

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service and wait for its answer."""
        client = self.ear.create_client(kind, name)
        self.spin_until(client.service_is_ready)
        answer = client.call_async(request)
        self.spin_until(answer.done)
        return answer.result()

    def close(self) -> None:
        """End every node."""
        for name in list(self.nodes):
            self.kill(name)
        self.ear.destroy_node()


@contextlib.contextmanager
def watched_graph(
    out: Path, model: Callable[[str], WatchedModel], **settings: Any
) -> Iterator[Graph]:
    """A graph of its own; nothing of it is left afterwards."""
    context = Context()
    graph = None
    with claimed_domain() as domain:
        rclpy.init(context=context, domain_id=domain)
        try:
            graph = Graph(out, context, model, **settings)
            yield graph
        finally:
            if graph is not None:
                graph.close()
            context.try_shutdown()
