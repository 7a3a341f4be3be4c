"""Runs a model beside the graph: a forecast for every step, warnings where they are crossed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from salus_msgs.msg import (
    Contract,
    EpisodeEvent,
    FailureForecast,
    FailureWarning,
    PerceivedObjects,
    PolicyAction,
    PolicyUncertainty,
)
from salus_msgs.srv import LoadModel
from sensor_msgs.msg import JointState

from salus_data.errors import SalusError
from salus_predictor.nodes.forecast_message import forecast_message, warning_messages
from salus_predictor.online.load import load_watched
from salus_predictor.online.monitor import Monitor, Report
from salus_predictor.online.watched import WatchedModel
from salus_ros import convert, topics
from salus_ros.contract_message import contract_from_message
from salus_ros.diagnostics import Diagnostics
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter


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
        self._past: set[str] = set()
        self._diagnostics = Diagnostics(self, self._nominal_rate)
        if settings.model:
            self._monitor.load(load(settings.model))
        self._tell_model()
        step = topics.STEP_QOS
        self._forecasts = self.create_publisher(FailureForecast, topics.FORECAST, step)
        self._warnings = self.create_publisher(FailureWarning, topics.WARNING, step)
        self.create_service(LoadModel, "load_model", self._on_load)
        subscribe = self.create_subscription
        subscribe(Contract, topics.CONTRACT, self._on_contract, topics.LATCHED_QOS)
        subscribe(EpisodeEvent, topics.EPISODE, self._on_episode, topics.EVENT_QOS)
        subscribe(JointState, topics.JOINT_STATES, self._on_joints, step)
        subscribe(PoseStamped, topics.EE_POSE, self._on_pose, step)
        subscribe(PerceivedObjects, topics.PERCEIVED, self._on_perceived, step)
        subscribe(PolicyAction, topics.ACTION_PROPOSED, self._on_proposed, step)
        subscribe(PolicyAction, topics.ACTION, self._on_action, step)
        subscribe(PolicyUncertainty, topics.UNCERTAINTY, self._on_uncertainty, step)

    def _nominal_rate(self) -> float:
        contract = self._monitor.contract
        return 1.0 / contract.step_period if contract else 0.0

    # --- topics ----------------------------------------------------------------------------------

    def _on_contract(self, message: Contract) -> None:
        try:
            contract = contract_from_message(message)
            self._monitor.on_contract(contract, int(message.policy_signals))
        except SalusError as error:
            self._diagnostics.error(str(error))
            self.get_logger().error(str(error))
        self._tell_model()
        self._report()

    def _on_episode(self, event: EpisodeEvent) -> None:
        if event.kind == EpisodeEvent.KIND_STARTED:
            self._begin(event.episode_id, convert.to_nanoseconds(event.header.stamp))

    def _begin(self, episode: str, stamp: int) -> None:
        if episode == self._monitor.episode or episode in self._past:
            return
        if self._monitor.episode:
            self._past = {self._monitor.episode}
        self._monitor.begin(episode, stamp)

    def _on_perceived(self, message: PerceivedObjects) -> None:
        stamp = convert.to_nanoseconds(message.header.stamp)
        self._begin(message.episode_id, stamp)
        if message.episode_id != self._monitor.episode:
            self._diagnostics.count("late_messages")
            return
        self._fill(message, "perceived", convert.perceived_from)
        self._monitor.join.number(stamp, int(message.step))
        self._report()

    def _on_joints(self, message: JointState) -> None:
        self._fill(message, "joints", convert.joints_from)
        self._report()

    def _on_pose(self, message: PoseStamped) -> None:
        self._fill(message, "pose", convert.ee_from)
        self._report()

    def _on_proposed(self, message: PolicyAction) -> None:
        self._fill(message, "proposed", _values)
        self._report()

    def _on_action(self, message: PolicyAction) -> None:
        self._fill(message, "executed", _values)
        self._report()

    def _on_uncertainty(self, message: PolicyUncertainty) -> None:
        self._fill(message, "validity", lambda m: np.asarray(m.validity, np.uint8))
        self._fill(message, "uncertainty", _values)
        self._report()

    def _fill(self, message: Any, part: str, convert_message: Callable[[Any], Any]) -> None:
        """Put one part of a step in its place; the first one counts."""
        parts = self._monitor.join.at(convert.to_nanoseconds(message.header.stamp))
        if getattr(parts, part) is not None:
            self._diagnostics.count("double_messages")
            return
        try:
            setattr(parts, part, convert_message(message))
        except SalusError as error:
            self._diagnostics.count("messages_refused")
            self._diagnostics.error(str(error))

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
        self._forecasts.publish(forecast_message(report, monitor.episode, contract, model))
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


def _values(message: Any) -> Any:
    return np.asarray(message.values, np.float64)


def main() -> None:
    """Run predictor_node as a process."""
    run_node(PredictorNode)


if __name__ == "__main__":
    main()
