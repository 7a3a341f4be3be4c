"""The loop of sim_node over ROS against bare MuJoCo with the same frames, in one process.

All three loops make the same episode of the expert, with two images a step:
- bare: `mj_step` with the recorded servo targets, and the two renderings; nothing else;
- environment: actions in, observations out, events watched, without ROS;
- node: the same through sim_node; whoever answers has received every image as a message.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.node import Node
from salus_msgs.msg import PerceivedObjects, PolicyAction
from salus_msgs.srv import Reset
from sensor_msgs.msg import JointState

from salus.bench.harness import Benchmark, Row, alternate
from salus_collector.nodes.observation_join import ObservationJoin
from salus_collector.nodes.sim_node import SimNode
from salus_collector.plan import plan_episode
from salus_collector.policy.expert import Expert
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.disturbance_config import NO_DISTURBANCES
from salus_collector.sim.environment import PandaPickPlace
from salus_collector.sim.scene import CAMERAS
from salus_collector.sim.snapshot import Snapshot
from salus_data.action_space import DELTA_EE
from salus_data.errors import SalusError
from salus_ros import convert, topics
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph
from salus_ros.images import subscribe_to_images

Array = NDArray[np.float64]

LIMIT = 1.15
STEPS = 80
"""Steps of a round; every episode of the undisturbed expert is longer."""
PATIENCE = 60.0  # [s]


class TracedEnvironment(PandaPickPlace):
    """Remembers the servo targets of every step."""

    targets: list[Array]

    def _advance(self, targets: Array) -> None:
        self.targets.append(targets.copy())
        super()._advance(targets)


class Responder(Node):
    """Answers every whole observation, images included, with the next recorded action."""

    def __init__(self, actions: list[Array], **options: Any) -> None:
        super().__init__("responder", **options)
        self._actions = actions
        self._join = ObservationJoin(CAMERAS)
        self.watch = Stopwatch()
        self.last_image: Any = None
        self.reset = self.create_client(Reset, "reset")
        self._publisher = self.create_publisher(PolicyAction, topics.ACTION, topics.STEP_QOS)
        qos = topics.STEP_QOS
        listen = self.create_subscription
        listen(JointState, topics.JOINT_STATES, self._part("joints", convert.joints_from), qos)
        listen(PoseStamped, topics.EE_POSE, self._part("ee", convert.ee_from), qos)
        listen(PerceivedObjects, topics.PERCEIVED, self._on_perceived, qos)
        for camera in CAMERAS:
            name = f"image_{camera}"
            hear = self._part(name, convert.image_from)
            subscribe_to_images(self, topics.image_topic(camera), hear)

    def _part(self, name: str, read: Callable[[Any], Any]) -> Callable[[Any], None]:
        return lambda message: self._add(name, message, read(message))

    def _on_perceived(self, message: PerceivedObjects) -> None:
        stamp = convert.to_nanoseconds(message.header.stamp)
        self._join.name(stamp, message.episode_id, int(message.step))
        self._add("perceived", message, convert.perceived_from(message))

    def _add(self, name: str, message: Any, value: Any) -> None:
        whole = self._join.add(name, convert.to_nanoseconds(message.header.stamp), value)
        if whole is None:
            return
        self.watch.lap()
        self.last_image = whole.arrays[f"image_{CAMERAS[0]}"]
        if whole.step < len(self._actions):
            self._publisher.publish(
                PolicyAction(
                    header=message.header,
                    episode_id=whole.episode_id,
                    step=whole.step,
                    action_space=DELTA_EE.name,
                    values=self._actions[whole.step].tolist(),
                )
            )


@dataclass(frozen=True)
class Pace:
    """Time of one step [s]: the median by the wall, and the mean by the processor, all threads."""

    wall: float
    processor: float


class Stopwatch:
    """Laps of wall time, and the processor's time since the first."""

    def __init__(self) -> None:
        self._walls: list[float] = []
        self._began = self._ended = 0.0

    def lap(self) -> None:
        """One more step is done; the first lap starts the watch."""
        self._walls.append(time.perf_counter())
        self._ended = time.process_time()
        self._began = self._began or self._ended

    def __len__(self) -> int:
        return len(self._walls)

    def pace(self) -> Pace:
        """Of all laps."""
        processor = (self._ended - self._began) / (len(self._walls) - 1)
        return Pace(float(np.median(np.diff(self._walls))), processor)


class Loops:
    """The three loops over one recorded episode; each returns its pace."""

    def __init__(self, image_size: int) -> None:
        self._plan = plan_episode(0, 0, NO_DISTURBANCES)
        self._size = image_size
        self._environment = TracedEnvironment(image_size=image_size)
        self._environment.targets = []
        self._actions: list[Array] = []
        self._first: Snapshot
        self._record()

    def _record(self) -> None:
        def note(step: RolloutStep) -> None:
            self._actions.append(step.action.copy())

        rollout(self._environment, Expert(), self._plan, on_step=note)
        self._targets = self._environment.targets[:STEPS]
        self._actions = self._actions[:STEPS]
        self._environment.reset(seed=self._plan.seed)
        self._first = self._environment.snapshot()

    def bare(self) -> Pace:
        """Physics and pictures only."""
        self._environment.restore(self._first)
        model, data = self._environment.world.model, self._environment.world.data
        renderer, watch = self._environment.renderer, Stopwatch()
        watch.lap()
        for targets in self._targets:
            for target in targets:
                data.ctrl[:] = target
                mujoco.mj_step(model, data)
            mujoco.mj_forward(model, data)
            images = [renderer.render(data, camera) for camera in CAMERAS]
            watch.lap()
        self._bare_image = images[0].copy()
        return watch.pace()

    def environment(self) -> Pace:
        """Without ROS."""
        self._environment.restore(self._first)
        watch = Stopwatch()
        watch.lap()
        for action in self._actions:
            observation, *_ = self._environment.step(action)
            watch.lap()
        self._same(observation[f"image_{CAMERAS[0]}"], "environment")
        return watch.pace()

    def node(self) -> Pace:
        """Through sim_node and back; the graph is made anew."""
        with claimed_domain() as domain, Graph(domain) as graph:
            graph.add(SimNode, {"image_size": self._size, "seed": 0})
            responder = graph.add(lambda **options: Responder(self._actions, **options))
            joined = graph.spin_until(
                lambda: (
                    responder.reset.service_is_ready()
                    and responder.count_subscribers("action")
                    and responder.count_publishers("perceived") > 0
                ),
                PATIENCE,
            )
            future = responder.reset.call_async(Reset.Request(index=0))
            done = joined and graph.spin_until(lambda: len(responder.watch) > STEPS, PATIENCE)
            if not done:
                answer = future.result() if future.done() else None
                raise SalusError(
                    f"sim_node stood still at step {len(responder.watch)}: "
                    f"{answer.message if answer else 'no answer to reset'}"
                )
            self._same(responder.last_image, "node")
            return responder.watch.pace()

    def _same(self, image: NDArray[np.uint8], who: str) -> None:
        if not np.array_equal(image, self._bare_image):
            raise SalusError(f"the last image of the loop {who} differs from the bare loop's")

    def close(self) -> None:
        """Free the renderer."""
        self._environment.close()


def measure(rounds: int, image_size: int) -> Benchmark:
    """Run the three loops in turn; the least busy round of each counts."""
    loops = Loops(image_size)
    try:
        found = alternate(
            {"bare": loops.bare, "environment": loops.environment, "node": loops.node}, rounds
        )
    finally:
        loops.close()
    wall = {name: 1000 * min(pace.wall for pace in paces) for name, paces in found.items()}
    cpu = {name: 1000 * min(pace.processor for pace in paces) for name, paces in found.items()}
    return Benchmark(
        "sim",
        (
            Row("sim_node step", wall["node"], "ms", "bare MuJoCo", wall["bare"], at_most=LIMIT),
            Row("no ROS, step", wall["environment"], "ms", "bare MuJoCo", wall["bare"]),
            Row("sim_node step, CPU", cpu["node"], "ms", "bare MuJoCo", cpu["bare"]),
            Row("no ROS, step, CPU", cpu["environment"], "ms", "bare MuJoCo", cpu["bare"]),
        ),
        {"rounds": rounds, "steps": STEPS, "image_size_px": image_size},
    )
