"""The monitor: the same rows as a store, one forecast a step, and never a guess."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_predictor import INPUTS, Fading, watched

from salus_data.action_space import DELTA_EE, JOINT_POSITION
from salus_data.contract import Column, Contract
from salus_data.errors import ContractMismatchError
from salus_data.layout import PERCEIVED, STATE
from salus_data.robot_signals import RobotSignals
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.types import Validity
from salus_predictor.online.forecasts import expected_times
from salus_predictor.online.join import KEPT
from salus_predictor.online.monitor import Monitor, Report
from salus_predictor.supervisor.risk import RiskLevel

PERIOD = 1 / 30
SECOND = 1_000_000_000
EPISTEMIC = Column("epistemic", "1", optional=True)
CONTRACT = Contract(
    PERIOD, DELTA_EE, STATE, PERCEIVED, (EPISTEMIC, *ROBOT_SIGNAL_COLUMNS), cameras=(), policy="p"
)
STEPS = 12
PARTS = ("joints", "pose", "perceived", "proposed", "uncertainty", "executed")


def episode(seed: int = 0, steps: int = STEPS) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "state": random.normal(size=(steps, len(STATE))),
        "perceived": random.normal(size=(steps, len(PERCEIVED))),
        "proposed": random.uniform(-0.02, 0.02, size=(steps, 7)),
        "executed": random.uniform(-0.02, 0.02, size=(steps, 7)),
        "uncertainty": random.uniform(size=(steps, 1)),
    }


def stamp(step: int, start: int = SECOND) -> int:
    return start + round(step * PERIOD * SECOND)


class Feed:
    """Feeds a monitor as the node does, and keeps its reports."""

    def __init__(self, data: dict[str, np.ndarray] | None = None, **changes: Any) -> None:
        self.data = episode() if data is None else data
        self.monitor = Monitor()
        self.contract = dataclasses.replace(CONTRACT, **changes)
        self.monitor.on_contract(self.contract, 1)
        self.monitor.load(watched(self.contract))
        self.reports: list[Report] = []
        self.start = SECOND
        self.looks_ahead = True
        self.monitor.begin("e0", SECOND)

    def give(self, part: str, t: int, at: int | None = None) -> None:
        when = stamp(t, self.start) if at is None else at
        parts = self.monitor.join.at(when)
        if part == "joints":
            parts.joints = self.data["state"][t, :27]
        elif part == "pose":
            parts.pose = self.data["state"][t, 27:]
        else:
            setattr(parts, part, self.data[part][t])
        if part == "uncertainty":
            code = Validity.VALID if np.isfinite(parts.uncertainty).all() else 6
            parts.validity = np.full(1, code, np.uint8)
        if part == "perceived":
            self.monitor.join.number(when, t)
        self.reports += self.monitor.reports()
        if self.looks_ahead:
            self.monitor.look_ahead()

    def step(self, t: int, *, without: tuple[str, ...] = (), at: int | None = None) -> None:
        for part in PARTS:
            if part not in without:
                self.give(part, t, at)


def stored(data: dict[str, np.ndarray]) -> np.ndarray:
    """The rows that a recorder writes."""
    robot = RobotSignals(DELTA_EE, PERIOD)
    rows = []
    for t in range(len(data["state"])):
        own, _ = robot.step(data["state"][t], data["perceived"][t], data["proposed"][t])
        robot.executed(data["executed"][t])
        rows.append(np.concatenate([data["uncertainty"][t], own]))
    return np.stack(rows).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.permutations(PARTS), min_size=STEPS, max_size=STEPS),
    st.integers(0, 99),
    st.data(),
)
def test_rows_and_forecasts_are_those_of_a_store_in_whatever_order_messages_come(
    orders: list[list[str]], seed: int, data: st.DataObject
) -> None:
    feed = Feed(episode(seed))
    for t, order in enumerate(orders):
        feed.looks_ahead = data.draw(st.booleans())
        for part in order:
            feed.give(part, t)
    rows = stored(feed.data)
    assert [report.step for report in feed.reports] == list(range(STEPS))
    np.testing.assert_array_equal(np.stack([r.row for r in feed.reports]), rows)
    names = [column.name for column in feed.contract.signals]
    stream = Fading(feed.contract).stream()
    for row, report in zip(rows, feed.reports, strict=True):
        expected = stream.step(row[[names.index(n) for n in INPUTS]])
        np.testing.assert_allclose(report.probability, expected.probability, atol=1e-12)
        assert report.stale == ""


def test_an_observation_of_another_shape_ends_the_episode_when_its_step_comes() -> None:
    feed = Feed()
    feed.step(0)
    feed.data["perceived"] = feed.data["perceived"][:, :29]
    feed.step(1, without=("proposed", "executed"))
    assert [report.stale for report in feed.reports] == [""]
    feed.give("proposed", 1)
    assert "perceived has shape (29,)" in feed.reports[1].stale


def test_an_episode_that_ends_before_a_proposal_leaves_no_trace() -> None:
    feed = Feed()
    for t in range(3):
        feed.step(t)
    feed.step(3, without=("proposed",))
    feed.start += 60 * SECOND
    feed.monitor.begin("e1", feed.start)
    feed.reports.clear()
    for t in range(STEPS):
        feed.step(t)
    np.testing.assert_array_equal(np.stack([r.row for r in feed.reports]), stored(feed.data))


def test_the_forecast_is_there_before_the_action_is() -> None:
    feed = Feed()
    feed.step(0, without=("executed",))
    assert len(feed.reports) == 1
    feed.step(1, without=("executed",))
    assert len(feed.reports) == 1, "step 1 looks back on what was executed on step 0"
    feed.give("executed", 0)
    assert len(feed.reports) == 2


@pytest.mark.parametrize("missing", ["joints", "pose", "proposed", "uncertainty", "executed"])
def test_what_never_comes_makes_the_rest_of_the_episode_stale(missing: str) -> None:
    feed = Feed()
    for t in range(8):
        feed.step(t, without=(missing,) if t == 3 else ())
    fresh = [r.step for r in feed.reports if not r.stale]
    assert fresh == list(range(4 if missing == "executed" else 3))
    stale = [r for r in feed.reports if r.stale]
    assert [r.step for r in stale] == list(range(len(fresh), 8)), "every step is answered once"
    assert ("action executed" if missing == "executed" else missing) in stale[0].stale
    assert all(np.isnan(r.probability).all() for r in stale)
    assert all(r.level is RiskLevel.UNKNOWN for r in stale)
    feed.monitor.begin("e1", stamp(500))
    feed.start = stamp(500)
    feed.step(0)
    assert feed.reports[-1].stale == "", "the next episode is followed again"


def test_an_episode_joined_in_the_middle_is_not_guessed_at() -> None:
    feed = Feed()
    for t in range(4, 7):
        feed.step(t)
    assert [r.step for r in feed.reports] == [4, 5, 6]
    assert all("joined at step 4" in r.stale for r in feed.reports)


def test_a_required_signal_that_is_nan_makes_the_step_stale_and_only_that() -> None:
    data = episode()
    data["state"][5, 7] = np.nan  # a finger: gripper_gap is an input
    feed = Feed(data)
    for t in range(STEPS):
        feed.step(t)
    stale = {r.step: r.stale for r in feed.reports if r.stale}
    assert list(stale) == [5]
    assert "gripper_gap is nan (INPUT_MISSING)" in stale[5]


def test_optional_signals_may_be_missing_and_so_may_what_the_model_does_not_read() -> None:
    data = episode()
    data["perceived"][:, :10] = np.nan  # object_distance is an optional input
    data["state"][4, 20] = np.nan  # an effort: no input
    data["uncertainty"][6] = np.nan
    feed = Feed(data)
    for t in range(STEPS):
        feed.step(t)
    assert [r.stale for r in feed.reports] == [""] * STEPS


@pytest.mark.parametrize("jump", [-2.0, 5.0])
def test_a_clock_jump_is_told(jump: float) -> None:
    feed = Feed()
    for t in range(STEPS):
        feed.step(t, at=stamp(t) + (round(jump * SECOND) if t >= 6 else 0))
    assert [bool(r.stale) for r in feed.reports] == [False] * 6 + [True] * 6
    assert "clock" in feed.reports[6].stale


def test_a_reset_forgets_the_episode_before() -> None:
    feed = Feed()
    for t in range(STEPS):
        feed.step(t)
    first, feed.reports = feed.reports, []
    feed.start = stamp(1000)
    feed.monitor.begin("e1", feed.start)
    for t in range(STEPS):
        feed.step(t)
    for before, after in zip(first, feed.reports, strict=True):
        np.testing.assert_array_equal(before.row, after.row)
        np.testing.assert_array_equal(before.probability, after.probability)


def test_a_model_loaded_in_the_middle_knows_the_episode_from_its_start() -> None:
    whole, late = Feed(), Feed()
    for t in range(STEPS):
        if t == 6:
            late.monitor.load(watched(late.contract))
        whole.step(t)
        late.step(t)
    for one, other in zip(whole.reports, late.reports, strict=True):
        np.testing.assert_array_equal(one.probability, other.probability)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step_period": 0.1}, "step period is 0.03333333333333333 s, the robot's 0.1 s"),
        ({"action_space": JOINT_POSITION}, "differ in action_space"),
        ({"failure_types": ("a", "b", "c", "d")}, "differ in failure_types"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_and_the_old_one_stays(
    changes: dict[str, Any], said: str
) -> None:
    feed = Feed()
    old = feed.monitor.model
    other = watched(CONTRACT)
    live = Monitor()
    live.on_contract(dataclasses.replace(CONTRACT, **changes), 1)
    with pytest.raises(ContractMismatchError, match=said):
        live.load(other)
    with pytest.raises(ContractMismatchError):
        feed.monitor.load(watched(dataclasses.replace(CONTRACT, **changes)))
    assert feed.monitor.model is old
    for t in range(3):
        feed.step(t)
    assert [r.stale for r in feed.reports] == [""] * 3


def test_a_signal_that_is_missing_or_in_another_unit_is_refused_by_name() -> None:
    model = watched(CONTRACT)
    fewer = tuple(c for c in CONTRACT.signals if c.name != "ee_speed")
    with pytest.raises(ContractMismatchError, match="the model reads ee_speed"):
        model.require_fits(dataclasses.replace(CONTRACT, signals=fewer))
    inches = tuple(
        Column(c.name, "inch/s", c.optional) if c.name == "ee_speed" else c
        for c in CONTRACT.signals
    )
    with pytest.raises(ContractMismatchError, match="ee_speed in m/s"):
        model.require_fits(dataclasses.replace(CONTRACT, signals=inches))


def test_without_a_model_every_step_is_answered_with_the_reason() -> None:
    monitor = Monitor()
    feed = Feed()
    feed.monitor = monitor
    monitor.begin("e0", SECOND)
    feed.step(0)
    assert not feed.reports, "without a contract nothing is said"
    monitor.on_contract(CONTRACT, 1)
    feed.reports += monitor.reports()
    feed.step(1)
    assert [(r.step, r.stale) for r in feed.reports] == [
        (0, "no model is loaded"),
        (1, "no model is loaded"),
    ]


def test_a_contract_that_changes_in_an_episode_ends_its_forecasts() -> None:
    feed = Feed()
    feed.step(0)
    feed.monitor.on_contract(dataclasses.replace(CONTRACT, policy="another"), 1)
    feed.step(1)
    feed.step(2)
    assert [bool(r.stale) for r in feed.reports] == [False, True, True]
    assert "contract changed" in feed.reports[1].stale


@pytest.mark.parametrize("broken", ["nan", "shape", "raises"])
def test_a_model_that_fails_says_so(broken: str) -> None:
    class Broken:
        def reset(self) -> None: ...

        def step(self, signals: object) -> Any:
            forecast = Fading(CONTRACT).stream().step(np.zeros(3))
            if broken == "raises":
                raise ValueError("singular matrix")
            if broken == "nan":
                forecast.probability[0, 0] = np.nan
                return forecast
            return dataclasses.replace(forecast, probability=np.zeros(3))

    feed = Feed()
    feed.monitor._stream = Broken()
    feed.step(0)
    assert "the model" in feed.reports[0].stale


def test_warnings_are_raised_with_evidence_and_cleared() -> None:
    data = episode(steps=60)
    data["state"][:] = 0
    data["perceived"][:] = 0
    data["proposed"][:], data["executed"][:] = 0, 0
    data["proposed"][10:30, 6] = 3.0  # the hand is told to open and does not
    data["executed"][:] = data["proposed"]
    feed = Feed(data)
    for t in range(60):
        feed.step(t)
    crossings = [(r, c) for r in feed.reports for c in r.crossings if c.failure_type == 0]
    assert [c.raised for _, c in crossings] == [True, False]
    (up, raised), (_, cleared) = crossings
    assert raised.warning_id == cleared.warning_id
    assert raised.probability >= raised.threshold > cleared.probability
    assert up.evidence[0][0] == "gripper_gap"
    assert up.evidence[1][0] == pytest.approx(3.0, abs=1e-6)
    assert up.level is RiskLevel.ALARM
    again = {c.warning_id for r in feed.reports for c in r.crossings}
    assert len(again) == len(
        {(c.warning_id, c.failure_type) for r in feed.reports for c in r.crossings}
    )


def test_a_flood_does_not_push_out_a_real_step() -> None:
    feed = Feed()
    feed.step(0)
    feed.give("perceived", 1)
    feed.give("joints", 1)
    for k in range(3 * KEPT):
        feed.monitor.join.at(SECOND * 40 + k).proposed = np.zeros(7)
    for part in ("pose", "proposed", "uncertainty"):
        feed.give(part, 1)
    assert [r.step for r in feed.reports] == [0, 1]


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.lists(st.floats(0.01, 5), min_size=4, max_size=4),
)
def test_the_expected_time_lies_within_the_last_horizon(
    shares: list[float], steps: list[float]
) -> None:
    horizons = np.array(list(itertools.accumulate(steps)))
    probability = np.cumsum(shares)[:, None] / 4
    times = expected_times(probability, horizons)
    if probability[-1, 0] <= 1e-6:
        assert np.isnan(times[0])
    else:
        assert 0 < times[0] <= horizons[-1] * (1 + 1e-9)


def test_a_failure_that_is_sure_to_come_soon_is_expected_in_the_middle_of_the_first_bin() -> None:
    times = expected_times(np.full((2, 1), 0.8), np.array([1.0, 3.0]))
    assert times[0] == pytest.approx(0.5)
