"""Shows the risk to 3D viewers: the intended path, a bar a failure type, and a banner."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from nav_msgs.msg import Path
from rclpy.node import Node
from salus_msgs.msg import EpisodeEvent, FailureForecast, SupervisorState
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from salus_data.types import FAILURE_TYPES, SupervisorStatus
from salus_predictor.nodes.forecast_message import risk_from
from salus_predictor.supervisor.risk import Risk
from salus_predictor.viewing.marks import Mark, banner, bars, path_mark
from salus_ros import convert, topics
from salus_ros.diagnostics import Diagnostics
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

SHAPES = {
    "box": Marker.CUBE,
    "text": Marker.TEXT_VIEW_FACING,
    "line": Marker.LINE_STRIP,
}


@dataclass(frozen=True)
class RiskViewParameters:
    """Parameters of risk_view_node."""

    every: int = parameter(
        3, "forecasts between two pictures: 3 is 10 Hz at 30 steps a second", low=1, high=1000
    )


class RiskViewNode(Node):
    """Hears forecasts, the chunk's path and the supervisor; publishes markers while watched."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("risk_view_node", **node_options)
        self._every = declare(self, RiskViewParameters).every
        self._risk: Risk | None = None
        self._points = np.zeros((0, 3))
        self._step_period = 1 / 30
        self._state = SupervisorState(state=SupervisorState.STATE_UNKNOWN)
        self._ids: dict[str, int] = {}
        self._count = 0
        self._diagnostics = Diagnostics(self, lambda: 1 / (self._step_period * self._every))
        step = topics.STEP_QOS
        self._markers = self.create_publisher(MarkerArray, topics.RISK_MARKERS, step)
        hear = self.create_subscription
        hear(FailureForecast, topics.FORECAST, self._on_forecast, step)
        hear(Path, topics.CHUNK_PATH, self._on_path, step)
        hear(SupervisorState, topics.SUPERVISOR, self._on_state, topics.LATCHED_QOS)
        hear(EpisodeEvent, topics.EPISODE, self._on_episode, topics.EVENT_QOS)

    def _on_episode(self, event: EpisodeEvent) -> None:
        if event.kind == EpisodeEvent.KIND_STARTED:
            self._risk, self._points = None, np.zeros((0, 3))
            self._publish(convert.to_nanoseconds(event.header.stamp))

    def _on_state(self, message: SupervisorState) -> None:
        self._state = message
        self._publish(convert.to_nanoseconds(message.header.stamp))

    def _on_path(self, message: Path) -> None:
        place = [pose.pose.position for pose in message.poses]
        self._points = np.array([(p.x, p.y, p.z) for p in place]).reshape(-1, 3)

    def _on_forecast(self, message: FailureForecast) -> None:
        self._risk, self._step_period = risk_from(message), message.step_period
        self._count += 1
        if self._count % self._every == 0:
            self._publish(convert.to_nanoseconds(message.header.stamp))

    def _publish(self, stamp: int) -> None:
        if not self._markers.get_subscription_count():
            return
        types = self._risk.failure_types if self._risk is not None else ()
        marks = bars(self._risk, types or FAILURE_TYPES)
        state = self._state
        marks.append(
            banner(
                SupervisorStatus(state.state),
                SupervisorStatus(state.would_be_state),
                state.reason,
                shadow=state.mode == SupervisorState.MODE_SHADOW,
            )
        )
        if len(self._points) > 1:
            marks.append(path_mark(self._points, self._step_period, self._risk))
        self._markers.publish(MarkerArray(markers=[self._message(m, stamp) for m in marks]))
        self._diagnostics.step()

    def _message(self, mark: Mark, stamp: int) -> Marker:
        x, y, z = mark.position
        sx, sy, sz = mark.size
        line = mark.shape == "line"
        return Marker(
            header=convert.header(stamp, topics.BASE_FRAME),
            ns="risk",
            id=self._ids.setdefault(mark.name, len(self._ids)),
            type=SHAPES[mark.shape],
            action=Marker.ADD,
            pose=Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(w=1.0)),
            scale=Vector3(x=sz) if line else Vector3(x=sx, y=sy, z=sz),
            color=_colour(mark.colour),
            points=[Point(x=a, y=b, z=c) for a, b, c in mark.points],
            colors=[_colour(colour) for colour in mark.colours],
            text=mark.text,
        )


def _colour(colour: tuple[float, float, float, float]) -> ColorRGBA:
    red, green, blue, alpha = colour
    return ColorRGBA(r=red, g=green, b=blue, a=alpha)


def main() -> None:
    """Run risk_view_node as a process."""
    run_node(RiskViewNode)


if __name__ == "__main__":
    main()
