"""Real nodes in one process: forecasts beside a simulation, and a supervisor that acts on them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from salus_msgs.msg import EpisodeEvent, FailureForecast, PolicyAction, SupervisorState
from salus_msgs.srv import LoadModel, Override
from small_predictor import watched
from std_srvs.srv import Trigger
from watched_graph import CONTRACT, watched_graph

from salus_data.errors import FormatError
from salus_data.types import Outcome, SupervisorStatus
from salus_predictor.online.watched import WatchedModel
from salus_predictor.steps import StepData

pytestmark = [
    pytest.mark.ros,
    # Of lark, which ROS's message types import.
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]


def model(alarm: float = 2.0) -> Callable[[str], WatchedModel]:
    """A model whose alarm is never reached, or from that probability on."""
    return lambda path: watched(CONTRACT, alarm=alarm, elevated=alarm)


def rules(tmp_path: Path, do: str) -> str:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "rules: [{name: r, type: any, within: 1, level: alarm, "
        f"do: {do}, min_time: 0.2, max_time: 0.2, cooldown: 0.5}}]"
    )
    return str(path)


def test_live_forecasts_are_those_of_the_store(tmp_path: Path) -> None:
    with watched_graph(tmp_path, model(), supervise="active") as graph:
        ended = graph.run(0)
        forecasts: list[FailureForecast] = graph.heard["forecasts"]
        actions: list[PolicyAction] = graph.heard["actions"]
    assert ended.outcome == EpisodeEvent.OUTCOME_SUCCESS
    data = StepData.read(graph.store)
    assert len(forecasts) == len(actions) == data.n_rows
    expected = watched(CONTRACT).predictor.predict(data).probability
    live = np.array([f.probability for f in forecasts]).reshape(expected.shape)
    np.testing.assert_allclose(live, expected, atol=1e-6)
    assert {f.stale_reason for f in forecasts} == {""}
    assert {f.calibration_id for f in forecasts} == {"calibration-1"}
    assert {a.supervisor_state for a in actions} == {SupervisorStatus.NORMAL}
    assert data.records[0].first_intervention_step == -1


def test_interventions_are_recorded_and_signals_still_agree(tmp_path: Path) -> None:
    with watched_graph(
        tmp_path, model(alarm=0.02), supervise="active", rules=rules(tmp_path, "hold")
    ) as graph:
        graph.run(0)
        forecasts = graph.heard["forecasts"]
        states = graph.heard["states"]
    data = StepData.read(graph.store)
    expected = watched(CONTRACT).predictor.predict(data).probability
    live = np.array([f.probability for f in forecasts]).reshape(expected.shape)
    np.testing.assert_allclose(live, expected, atol=1e-6)
    assert data.records[0].first_intervention_step >= 0
    held = [s for s in states if s.state == SupervisorState.STATE_HOLDING]
    assert held
    assert "(r)" in held[0].reason
    assert held[0].warning_id > 0


def test_shadow_changes_not_one_bit_of_an_episode(tmp_path: Path) -> None:
    asked = rules(tmp_path, "retreat")
    with watched_graph(tmp_path / "a", model(alarm=0.02), supervise="shadow", rules=asked) as graph:
        graph.run(0)
        told = [s for s in graph.heard["states"] if s.would_be_state != s.state]
        watched_actions = [tuple(a.values) for a in graph.heard["actions"]]
    with watched_graph(tmp_path / "b", model(), predictor=False) as graph:
        graph.run(0)
        plain_actions = [tuple(a.values) for a in graph.heard["actions"]]
    assert told
    assert watched_actions == plain_actions


def test_a_killed_predictor_holds_the_arm_at_once_and_the_episode_ends_stopped(
    tmp_path: Path,
) -> None:
    with watched_graph(tmp_path, model(), supervise="active", forecast_patience=0.3) as graph:
        graph.start(0)
        graph.steps(20)
        graph.kill("predictor")
        answered = graph.heard["forecasts"][-1].step
        ended = graph.finish()
        actions = graph.heard["actions"]
    assert ended.outcome == EpisodeEvent.OUTCOME_STOPPED
    after = [a for a in actions if a.step > answered]
    assert {a.supervisor_state for a in after} == {
        SupervisorStatus.HOLDING,
        SupervisorStatus.STOPPED,
    }
    assert all(not any(a.values[:6]) for a in after), "not one step moves without a forecast"
    record = StepData.read(graph.store).records[0]
    assert record.outcome is Outcome.STOPPED
    assert record.first_intervention_step == answered + 1


def test_a_predictor_that_comes_back_joins_at_the_next_episode(tmp_path: Path) -> None:
    with watched_graph(tmp_path, model(), supervise="active", forecast_patience=0.3) as graph:
        graph.start(0)
        graph.steps(20)
        graph.kill("predictor")
        graph.steps(25)
        graph.start_predictor()
        assert graph.finish().outcome == EpisodeEvent.OUTCOME_STOPPED
        reasons = {f.stale_reason for f in graph.heard["forecasts"]}
        assert any("joined at step" in reason for reason in reasons)
        assert graph.run(1).outcome == EpisodeEvent.OUTCOME_SUCCESS


def test_a_killed_policy_is_held_and_stopped(tmp_path: Path) -> None:
    with watched_graph(
        tmp_path, model(), supervise="active", proposal_patience=0.3, forecast_patience=0.3
    ) as graph:
        graph.start(0)
        graph.steps(20)
        graph.kill("policy")
        asked = len(graph.heard["actions"])
        ended = graph.finish()
        after = graph.heard["actions"][asked + 1 :]
    assert ended.outcome == EpisodeEvent.OUTCOME_STOPPED
    assert after
    assert all(not any(a.values[:6]) for a in after)
    assert {a.values[6] for a in after} == {1.0}, "the hand stays as it was told"


def test_a_flood_of_foreign_messages_moves_nothing(tmp_path: Path) -> None:
    with watched_graph(tmp_path / "a", model(), supervise="active") as graph:
        graph.run(0)
        calm = [tuple(a.values) for a in graph.heard["actions"]]
    with watched_graph(tmp_path / "b", model(), supervise="active") as graph:
        proposals = graph.ear.create_publisher(PolicyAction, "action_proposed", 10)
        forecasts = graph.ear.create_publisher(FailureForecast, "forecast", 10)
        graph.start(0)
        for burst in range(10):
            graph.steps(3 * burst + 5)
            last = graph.heard["actions"][-1]
            for k in range(30):
                old = PolicyAction(
                    header=last.header,
                    episode_id=last.episode_id if k % 2 else "0-000099",
                    step=last.step - k % 3,
                    action_space="delta_ee",
                    values=[0.025] * 6 + [0.0],
                )
                if last.step >= k % 3:
                    proposals.publish(old)
                ahead = last.step + 50 + k
                forecasts.publish(
                    FailureForecast(episode_id=last.episode_id, step=ahead, stale_reason="noise")
                )
        assert graph.finish().outcome == EpisodeEvent.OUTCOME_SUCCESS
        flooded = [tuple(a.values) for a in graph.heard["actions"]]
    assert flooded == calm


def test_the_operator_stops_an_unwatched_arm(tmp_path: Path) -> None:
    with watched_graph(tmp_path, model(), predictor=False) as graph:
        graph.start(0)
        graph.steps(10)
        stop = Override.Request(command=Override.Request.STOP, reason="hand in the way")
        assert graph.call(Override, "override", stop).success
        refused = graph.call(Trigger, "acknowledge", Trigger.Request())
        assert not refused.success
        assert "RELEASE" in refused.message
        ended = graph.finish()
        assert ended.outcome == EpisodeEvent.OUTCOME_STOPPED
        state = graph.heard["states"][-1]
        assert (state.state, state.reason) == (5, "operator: hand in the way")
        release = Override.Request(command=Override.Request.RELEASE)
        assert graph.call(Override, "override", release).success
        assert graph.run(1).outcome == EpisodeEvent.OUTCOME_SUCCESS


def test_a_model_is_loaded_while_it_runs_and_a_bad_one_is_refused(tmp_path: Path) -> None:
    def load(path: str) -> WatchedModel:
        if path == "bad":
            raise FormatError("bad: no such model")
        return watched(CONTRACT)

    with watched_graph(tmp_path, load, supervise="active") as graph:
        graph.start(0)
        graph.steps(10)
        answer = graph.call(LoadModel, "load_model", LoadModel.Request(path="bad"))
        assert (answer.success, answer.message) == (False, "bad: no such model")
        answer = graph.call(LoadModel, "load_model", LoadModel.Request(path="good"))
        assert (answer.success, answer.model_id) == (True, "model-1")
        assert graph.finish().outcome == EpisodeEvent.OUTCOME_SUCCESS
        assert {f.stale_reason for f in graph.heard["forecasts"]} == {""}
