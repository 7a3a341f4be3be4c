"""Runs a model beside the graph: a forecast for every step, warnings where they are crossed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from salus_msgs.msg import (
    Contract,
    EpisodeEvent,
    FailureForecast,
    FailureWarning,
    PerceivedObjects,
    PolicyAction,
    PolicyEmbedding,
    PolicyUncertainty,
)
from salus_msgs.srv import LoadModel
from sensor_msgs.msg import JointState

from salus_data.errors import SalusError
from salus_predictor.nodes.forecast_message import ForecastMessages, warning_messages
from salus_predictor.online.hear import Hearing
from salus_predictor.online.load import load_watched
from salus_predictor.online.monitor import Monitor, Report
from salus_predictor.online.watched import WatchedModel
from salus_ros import topics
from salus_ros.diagnostics import Diagnostics
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

HEARD: Final = {
    topics.CONTRACT: (Contract, topics.LATCHED_QOS),
    topics.EPISODE: (EpisodeEvent, topics.EVENT_QOS),
    topics.JOINT_STATES: (JointState, topics.STEP_QOS),
    topics.EE_POSE: (PoseStamped, topics.STEP_QOS),
    topics.PERCEIVED: (PerceivedObjects, topics.STEP_QOS),
    topics.ACTION_PROPOSED: (PolicyAction, topics.STEP_QOS),
    topics.ACTION: (PolicyAction, topics.STEP_QOS),
    topics.UNCERTAINTY: (PolicyUncertainty, topics.STEP_QOS),
    topics.EMBEDDING: (PolicyEmbedding, topics.STEP_QOS),
}
"""What is subscribed to, with the type of its messages."""

BEFORE_PROPOSAL: Final = (topics.JOINT_STATES, topics.EE_POSE, topics.PERCEIVED, topics.ACTION)
"""After these the policy thinks, and there is time to compute what they tell."""


@dataclass(frozen=True)
class PredictorParameters:
    """Parameters of predictor_node."""

    model: str = parameter("", "folder of the model, or `shipped`; empty: none until one is loaded")


class PredictorNode(Node):
    """Feeds the monitor with messages and publishes its reports.

    Args:
        load: reads a model from its folder.
    """

    def __init__(
        self, load: Callable[[str], WatchedModel] = load_watched, **node_options: Any
    ) -> None:
        super().__init__("predictor_node", **node_options)
        settings = declare(self, PredictorParameters)
        self._load = load
        self._monitor = Monitor()
        self._hearing = Hearing(self._monitor)
        self._messages = ForecastMessages()
        self._diagnostics = Diagnostics(self, contract=lambda: self._monitor.contract)
        if settings.model:
            self._monitor.load(load(settings.model))
        self._tell_model()
        step = topics.STEP_QOS
        self._forecasts = self.create_publisher(FailureForecast, topics.FORECAST, step)
        self._warnings = self.create_publisher(FailureWarning, topics.WARNING, step)
        self.create_service(LoadModel, "load_model", self._on_load)
        for topic, (kind, qos) in HEARD.items():
            self.create_subscription(kind, topic, partial(self._on_message, topic), qos)

    # --- topics ----------------------------------------------------------------------------------

    def _on_message(self, topic: str, message: Any) -> None:
        try:
            left_out = self._hearing.hear(topic, message)
        except SalusError as error:
            self._diagnostics.error(str(error))
            if topic == topics.CONTRACT:
                self.get_logger().error(str(error))
            else:
                self._diagnostics.count("messages_refused")
                self._diagnostics.dropped()
        else:
            if left_out:
                self._diagnostics.count(left_out)
                self._diagnostics.dropped()
        if topic == topics.CONTRACT:
            self._tell_model()
        if topic != topics.EPISODE:
            self._report()
        if topic in BEFORE_PROPOSAL:
            self._monitor.look_ahead()
        if topic == topics.ACTION:
            self._diagnostics.step_over()

    # --- what is published -----------------------------------------------------------------------

    def _report(self) -> None:
        arrived = time.monotonic()
        for report in self._monitor.reports():
            self._publish(report)
            self._diagnostics.latency(time.monotonic() - arrived)
            arrived = time.monotonic()

    def _publish(self, report: Report) -> None:
        monitor = self._monitor
        contract, model = monitor.contract, monitor.model
        if contract is None:
            return
        # Warnings first: who acts on the forecast is to know which warning is behind it.
        if model is not None:
            for message in warning_messages(report, monitor.episode, contract, model):
                self._warnings.publish(message)
                raised = message.kind == FailureWarning.KIND_RAISED
                self._diagnostics.count("warnings_raised" if raised else "warnings_cleared")
        self._forecasts.publish(self._messages.of(report, monitor.episode, contract, model))
        self._diagnostics.step()
        if report.stale:
            self._diagnostics.count("stale_forecasts")
            self._diagnostics.warn(f"stale at step {report.step}: {report.stale}")
            return
        self._diagnostics.ok(f"level {report.level.name.lower()}")

    def _on_load(
        self, request: LoadModel.Request, response: LoadModel.Response
    ) -> LoadModel.Response:
        try:
            model = self._load(request.path)
            self._monitor.load(model)
        except SalusError as error:
            response.message = str(error)
            self.get_logger().error(response.message)
            return response
        self._tell_model()
        response.success = True
        response.model_id, response.calibration_id = model.model_id, model.calibration_id
        return response

    def _tell_model(self) -> None:
        model, contract = self._monitor.model, self._monitor.contract
        self._diagnostics.tell("model_id", model.model_id if model else "none")
        calibrated = model is not None and contract is not None and model.is_calibrated_on(contract)
        shown = model.calibration_id if model and calibrated else "none for this policy"
        self._diagnostics.tell("calibration_id", shown)


def main() -> None:
    """Run predictor_node as a process."""
    run_node(PredictorNode)


if __name__ == "__main__":
    main()
