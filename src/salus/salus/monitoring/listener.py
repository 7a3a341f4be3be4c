"""Listens to a graph for the live view."""

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from salus_msgs.msg import (
    EpisodeEvent,
    FailureForecast,
    FailureWarning,
    PolicyAction,
    SupervisorState,
)

from salus.monitoring.heard import Heard
from salus_data.types import FailureType, Outcome
from salus_ros import topics


class MonitorListener(Node):
    """Keeps `heard` up to date; publishes nothing."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("monitor_view", **node_options)
        self.heard = Heard()
        step, subscribe = topics.STEP_QOS, self.create_subscription
        subscribe(FailureForecast, topics.FORECAST, self._on_forecast, step)
        subscribe(FailureWarning, topics.WARNING, self._on_warning, step)
        subscribe(PolicyAction, topics.ACTION, self._on_action, step)
        subscribe(SupervisorState, topics.SUPERVISOR, self._on_state, topics.LATCHED_QOS)
        subscribe(EpisodeEvent, topics.EPISODE, self._on_episode, topics.EVENT_QOS)
        subscribe(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)

    def _on_forecast(self, message: FailureForecast) -> None:
        heard = self.heard
        heard.rates.count("forecasts")
        heard.episode, heard.step = message.episode_id, int(message.step)
        heard.model_id, heard.calibration_id = message.model_id, message.calibration_id
        heard.stale = message.stale_reason
        kinds, horizons = tuple(message.failure_types), tuple(message.horizons)
        if not len(message.probability) == len(message.levels) == len(kinds) * len(horizons):
            return
        heard.failure_types, heard.horizons = kinds, horizons
        heard.probability = _rows(message.probability, len(kinds))
        heard.levels = _rows(message.levels, len(kinds))

    def _on_warning(self, message: FailureWarning) -> None:
        kind = int(message.failure_type)
        if message.kind == FailureWarning.KIND_RAISED:
            evidence = ", ".join(message.evidence)
            self.heard.warnings[kind] = f"{FailureType(kind).name.lower()} in " + (
                f"{message.expected_time:.2f} s ({evidence})"
            )
            self.heard.rates.count("warnings")
        else:
            self.heard.warnings.pop(kind, None)

    def _on_action(self, _: PolicyAction) -> None:
        self.heard.rates.count("actions")

    def _on_state(self, message: SupervisorState) -> None:
        heard = self.heard
        heard.state, heard.would_be = int(message.state), int(message.would_be_state)
        heard.mode, heard.reason = int(message.mode), message.reason
        heard.interventions = int(message.interventions)

    def _on_episode(self, event: EpisodeEvent) -> None:
        if event.kind == EpisodeEvent.KIND_STARTED:
            self.heard.warnings.clear()
        elif event.kind == EpisodeEvent.KIND_ENDED:
            outcome = Outcome(event.outcome)
            failed = outcome is Outcome.FAILURE
            name = FailureType(event.failure_type).name if failed else outcome.name
            self.heard.outcomes[name.lower()] += 1

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.heard.diagnostics[status.name] = (status.level[0], status.message)


def _rows(values: Any, size: int) -> tuple[tuple[Any, ...], ...]:
    items = tuple(values)
    return tuple(items[i : i + size] for i in range(0, len(items), size))
