"""Sits between action_proposed and action; the only node that publishes `action`."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from salus_msgs.msg import (
    Contract,
    EpisodeEvent,
    FailureForecast,
    FailureWarning,
    PerceivedObjects,
    PolicyAction,
    SupervisorState,
)
from salus_msgs.srv import Override
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from salus_data.errors import SalusError
from salus_predictor.nodes.forecast_message import risk_from
from salus_predictor.nodes.supervisor_message import ActionMessages, state_message
from salus_predictor.supervisor.config import SupervisorConfig, load_config
from salus_predictor.supervisor.core import MODES, Mode, Ruling
from salus_predictor.supervisor.gate import Gate, Patience, Release
from salus_predictor.supervisor.machine import Manual, RequestRefusedError
from salus_predictor.supervisor.slots import Proposal
from salus_ros import convert, topics
from salus_ros.contract_message import contract_from_message
from salus_ros.diagnostics import Diagnostics
from salus_ros.node import run_node
from salus_ros.parameters import declare, parameter

POLL = 0.01
"""Seconds of wall time between two looks at what has waited too long."""

MANUAL = {
    Override.Request.RELEASE: Manual.NONE,
    Override.Request.HOLD: Manual.HOLD,
    Override.Request.PASS_THROUGH: Manual.PASS_THROUGH,
    Override.Request.STOP: Manual.STOP,
}

DROPS = ("late_messages", "early_messages", "double_proposals", "late_forecasts")
"""Counts of the gate that are messages of no use."""


@dataclass(frozen=True)
class SupervisorParameters:
    """Parameters of supervisor_node."""

    supervise: str = parameter(
        "off",
        "off: no model, every action passes through; shadow: only tells what it would do; active; "
        "auto: shadow, and active where the model was calibrated on the policy it watches",
        choices=tuple(MODES),
    )
    rules: str = parameter("", "YAML file with rules; empty: no rules, the fail-safe alone")
    time_mode: str = parameter("lockstep", "how time passes", choices=("lockstep", "realtime"))
    proposal_patience: float = parameter(
        10.0, "wall time to wait for a proposed action", unit="s", low=0.001, high=600.0
    )
    forecast_patience: float = parameter(
        2.0, "lockstep: wall time to wait for a forecast", unit="s", low=0.001, high=600.0
    )
    forecast_age: float = parameter(
        0.067, "realtime: age up to which a forecast is good", unit="s", low=0.0, high=10.0
    )


class SupervisorNode(Node):
    """Feeds the gate with messages and publishes what it decides."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("supervisor_node", **node_options)
        settings = declare(self, SupervisorParameters)
        config = load_config(settings.rules) if settings.rules else SupervisorConfig()
        patience = Patience(
            lockstep=settings.time_mode == "lockstep",
            proposal=settings.proposal_patience,
            forecast=settings.forecast_patience,
            lost=min(0.1, settings.proposal_patience, settings.forecast_patience),
            forecast_age=settings.forecast_age,
        )
        self._gate = Gate(config, MODES[settings.supervise], patience)
        self._messages = ActionMessages()
        self._told: tuple[Any, ...] = ()
        self._refused = 0
        self._warnings: dict[int, int] = {}  # failure type -> id of its raised warning
        self._ids = ("none", "none")  # of model and calibration, as the last forecast says
        self._diagnostics = Diagnostics(
            self, facts=self._facts, contract=lambda: self._gate.contract
        )
        self._advertise()
        self._subscribe(watching=settings.supervise != "off")

    def _advertise(self) -> None:
        self._actions = self.create_publisher(PolicyAction, topics.ACTION, topics.STEP_QOS)
        self._states = self.create_publisher(SupervisorState, topics.SUPERVISOR, topics.LATCHED_QOS)
        self.create_service(Trigger, "acknowledge", self._on_acknowledge)
        self.create_service(Trigger, "resume", self._on_resume)
        self.create_service(Override, "override", self._on_override)

    def _subscribe(self, *, watching: bool) -> None:
        step, subscribe = topics.STEP_QOS, self.create_subscription
        subscribe(Contract, topics.CONTRACT, self._on_contract, topics.LATCHED_QOS)
        subscribe(EpisodeEvent, topics.EPISODE, self._on_episode, topics.EVENT_QOS)
        subscribe(PerceivedObjects, topics.PERCEIVED, self._on_perceived, step)
        subscribe(JointState, topics.JOINT_STATES, self._on_joints, step)
        subscribe(PoseStamped, topics.EE_POSE, self._on_pose, step)
        subscribe(PolicyAction, topics.ACTION_PROPOSED, self._on_proposed, step)
        if watching:
            subscribe(FailureForecast, topics.FORECAST, self._on_forecast, step)
            subscribe(FailureWarning, topics.WARNING, self._on_warning, step)
        # Wall time: where a process has died, simulated time stands still.
        self.create_timer(POLL, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _facts(self) -> dict[str, str]:
        """What diagnostics say beside rates: counts of the gate, model, mode."""
        supervisor, counts = self._gate.supervisor, self._gate.counts
        model, calibration = self._ids
        return {
            **{name: str(count) for name, count in counts.items()},
            "drops": str(self._refused + sum(counts[name] for name in DROPS)),
            "mode": supervisor.mode.name.lower() if supervisor else "no contract yet",
            "model_id": model,
            "calibration_id": calibration or "none for this policy",
        }

    # --- topics ----------------------------------------------------------------------------------

    def _on_contract(self, message: Contract) -> None:
        try:
            contract = contract_from_message(message)
        except SalusError as error:
            self._refuse("contracts_refused", str(error))
            return
        self._publish(self._gate.on_contract(contract, time.monotonic()))

    def _on_episode(self, event: EpisodeEvent) -> None:
        if event.kind == EpisodeEvent.KIND_ONSET:
            return
        running = event.kind == EpisodeEvent.KIND_STARTED
        if running:
            self._warnings.clear()
        now = time.monotonic()
        self._publish(self._gate.on_episode(event.episode_id, running=running, now=now))
        if running:
            self._tell_start(event)

    def _on_perceived(self, message: PerceivedObjects) -> None:
        stamp = convert.to_nanoseconds(message.header.stamp)
        now = time.monotonic()
        self._publish(self._gate.on_observation(stamp, message.episode_id, int(message.step), now))

    def _on_joints(self, message: JointState) -> None:
        stamp = convert.to_nanoseconds(message.header.stamp)
        try:
            joints = convert.joints_from(message)
        except SalusError as error:
            self._refuse("joint_states_refused", str(error))
            return
        self._publish(self._gate.on_joints(stamp, joints, time.monotonic()))

    def _on_pose(self, message: PoseStamped) -> None:
        stamp = convert.to_nanoseconds(message.header.stamp)
        self._publish(self._gate.on_pose(stamp, convert.ee_from(message), time.monotonic()))

    def _on_proposed(self, message: PolicyAction) -> None:
        proposal = Proposal(
            np.asarray(message.values, np.float64), message.action_space, int(message.chunk_phase)
        )
        stamp, now = convert.to_nanoseconds(message.header.stamp), time.monotonic()
        self._publish(
            self._gate.on_proposal(stamp, message.episode_id, int(message.step), proposal, now)
        )

    def _on_forecast(self, message: FailureForecast) -> None:
        risk = risk_from(message)
        self._ids = (message.model_id, message.calibration_id)
        self._publish(self._gate.on_forecast(message.episode_id, risk, time.monotonic()))

    def _on_warning(self, message: FailureWarning) -> None:
        if message.kind == FailureWarning.KIND_RAISED:
            self._warnings[int(message.failure_type)] = int(message.warning_id)
        else:
            self._warnings.pop(int(message.failure_type), None)

    def _on_timer(self) -> None:
        self._publish(self._gate.on_time(time.monotonic()))

    # --- services --------------------------------------------------------------------------------

    def _on_acknowledge(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._ask(response, lambda machine: machine.acknowledge())

    def _on_resume(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._ask(response, lambda machine: machine.resume())

    def _on_override(
        self, request: Override.Request, response: Override.Response
    ) -> Override.Response:
        if request.command not in MANUAL:
            response.message = (
                f"command is {request.command}; known: 0 RELEASE, 1 HOLD, 2 PASS_THROUGH, 3 STOP"
            )
            return response
        manual = MANUAL[request.command]
        return self._ask(response, lambda machine: machine.take_over(manual, request.reason))

    def _ask(self, response: Any, request: Any) -> Any:
        machine = self._gate.machine
        if machine is None:
            response.message = "no contract has come yet; does policy_node run?"
            return response
        try:
            request(machine)
        except RequestRefusedError as error:
            response.message = str(error)
            return response
        response.success, response.message = True, f"{machine.state.name} {machine.reason}".strip()
        self._publish(self._gate.on_time(time.monotonic()))
        return response

    # --- what is published -----------------------------------------------------------------------

    def _publish(self, releases: list[Release]) -> None:
        for release in releases:
            ruling = release.ruling
            if ruling.problem:
                self._refuse(
                    "rejected_actions", f"{release.episode} step {release.step}: {ruling.problem}"
                )
            if ruling.action is not None:
                self._actions.publish(self._messages.of(release, self._gate.contract))
                self._diagnostics.step()
                if release.waited_since is not None:
                    self._diagnostics.latency(time.monotonic() - release.waited_since)
            self._tell(release, ruling)
        if releases:
            self._diagnostics.step_over()

    def _tell(self, release: Release, ruling: Ruling) -> None:
        """Publish the state where it has changed."""
        new = (release.episode, ruling.status, ruling.would_be, ruling.mode, ruling.reason)
        if new == self._told or (not self._told and ruling.mode is Mode.PASS_THROUGH):
            return
        self._told = new
        supervisor = self._gate.supervisor
        self._states.publish(
            state_message(
                release,
                warning_id=self._warnings.get(ruling.failure_type, 0),
                interventions=supervisor.interventions if supervisor else 0,
            )
        )
        self._tell_diagnostics(ruling)

    def _tell_start(self, event: EpisodeEvent) -> None:
        supervisor = self._gate.supervisor
        mode = supervisor.mode if supervisor else Mode.PASS_THROUGH
        off = mode is Mode.PASS_THROUGH
        self._states.publish(
            SupervisorState(
                header=event.header,
                episode_id=event.episode_id,
                state=SupervisorState.STATE_NORMAL,
                mode=int(mode),
                would_be_state=SupervisorState.STATE_NORMAL,
                reason="no model is loaded: every action passes through" if off else "",
            )
        )
        normal = (event.episode_id, *[SupervisorState.STATE_NORMAL] * 2, mode, "")
        self._told = normal
        self._diagnostics.ok("passes everything through" if off else mode.name.lower())

    def _tell_diagnostics(self, ruling: Ruling) -> None:
        if ruling.reason:
            would = "" if ruling.status == ruling.would_be else "would be "
            self._diagnostics.warn(f"{would}{ruling.would_be.name}: {ruling.reason}")
        else:
            self._diagnostics.ok(ruling.mode.name.lower())

    def _refuse(self, counted: str, why: str) -> None:
        self._diagnostics.count(counted)
        self._refused += 1
        self._diagnostics.error(why)
        self.get_logger().error(why, throttle_duration_sec=1.0)


def main() -> None:
    """Run supervisor_node as a process."""
    run_node(SupervisorNode)


if __name__ == "__main__":
    main()
