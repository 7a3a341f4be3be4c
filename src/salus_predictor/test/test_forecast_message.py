"""Forecasts and actions as messages: one object is filled anew, and nothing of before is left."""

import numpy as np
import pytest
from small_predictor import watched
from supervision import contract

from salus_data.types import SupervisorStatus
from salus_predictor.nodes.forecast_message import ForecastMessages, risk_from
from salus_predictor.nodes.supervisor_message import ActionMessages
from salus_predictor.online.monitor import Report
from salus_predictor.supervisor.core import Mode, Ruling
from salus_predictor.supervisor.gate import Release
from salus_predictor.supervisor.risk import RiskLevel

# Of lark, which ROS's message types import.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


def report(step: int, shape: tuple[int, int], *, stale: str = "") -> Report:
    fill = np.nan if stale else 0.25
    return Report(
        step * 40_000_000,
        step,
        np.full(shape, fill),
        np.full(shape[1] + 1, fill),
        np.full(shape[1], 0.5),
        np.full(shape, RiskLevel.UNKNOWN if stale else RiskLevel.ELEVATED, np.uint8),
        stale=stale,
    )


def test_a_message_says_what_its_own_report_says() -> None:
    graph = contract(policy="p")
    model = watched(graph)
    messages = ForecastMessages()
    first = messages.of(report(1, model.alarm.shape, stale="no pose"), "e1", graph, model)
    assert (first.episode_id, first.step, first.stale_reason) == ("e1", 1, "no pose")
    second = messages.of(report(60, model.alarm.shape), "e2", graph, model)
    assert (second.header.stamp.sec, second.header.stamp.nanosec) == (2, 400_000_000)
    assert (second.episode_id, second.step, second.stale_reason) == ("e2", 60, "")
    assert second.level == RiskLevel.ELEVATED
    risk = risk_from(second)
    assert risk.fault == ""
    np.testing.assert_array_equal(risk.probability, np.full(model.alarm.shape, 0.25))


def test_another_model_or_contract_changes_whom_a_message_speaks_of() -> None:
    graph = contract(policy="p")
    model = watched(graph)
    messages = ForecastMessages()
    own = messages.of(report(0, model.alarm.shape), "e", graph, model)
    assert (own.model_id, own.calibration_id) == (model.model_id, model.calibration_id)
    other = messages.of(report(1, model.alarm.shape), "e", contract(policy="q"), model)
    assert (other.model_id, other.calibration_id) == (model.model_id, "")
    nobody = messages.of(report(2, (0, 0), stale="no model is loaded"), "e", graph, None)
    assert (nobody.model_id, nobody.failure_types, len(nobody.horizons)) == ("", [], 0)


def test_an_action_message_is_that_of_its_own_release() -> None:
    graph = contract()
    messages = ActionMessages()
    for step, phase, status in ((3, 7, SupervisorStatus.NORMAL), (4, -1, SupervisorStatus.HOLDING)):
        action = np.full(7, step / 100)
        release = Release(
            step, f"e{step}", step, phase, Ruling(action, status, status, Mode.ACTIVE)
        )
        message = messages.of(release, graph)
        assert (message.episode_id, message.step, message.chunk_phase) == (f"e{step}", step, phase)
        assert (message.header.stamp.nanosec, message.supervisor_state) == (step, status)
        assert message.header.frame_id == "base_link"
        assert message.action_space == "delta_ee"
        np.testing.assert_array_equal(message.values, action)
