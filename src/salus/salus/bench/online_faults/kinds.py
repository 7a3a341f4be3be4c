"""Every kind of fault that strikes a running graph, and what puts it right."""

import signal
from collections.abc import Callable
from typing import Any, Final

from salus_msgs.msg import FailureForecast, PerceivedObjects, PolicyAction

from salus.bench.online_faults.stage import PATIENCE, Fault, Stage
from salus.bench.playback import SECOND
from salus_ros import convert


def _kill(who: str) -> Callable[[Stage, int], None]:
    return lambda stage, _: stage.children[who].signal(signal.SIGKILL)


def _restart(stage: Stage) -> None:
    stage.start()


def _catch_up(stage: Stage) -> None:
    stage.graph.spin_for(1.0)


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
        _kill("predictor"), _restart, True, ("no forecast", "stale forecast")
    ),
    "kill policy": Fault(_kill("policy"), _restart, True, ("no proposed action",)),
    "kill recorder": Fault(_kill("recorder"), _restart),
    "freeze predictor": Fault(
        _freeze("predictor", PATIENCE["forecast_patience"] + 0.5),
        _catch_up, must_hold=True, named=("no forecast",),
    ),
    "freeze policy": Fault(
        _freeze("policy", PATIENCE["proposal_patience"] + 0.5),
        _catch_up, must_hold=True, named=("no proposed action",),
    ),
    "freeze supervisor": Fault(_freeze("supervisor", 0.5)),
    "freeze recorder": Fault(_freeze("recorder", 0.5)),
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
"""Every kind of fault. While the supervisor is frozen nothing is sent, and the arm stays."""
