"""Event rules by hand-made episodes; episode metrics by plain loops."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_data import PERIOD, make_data, random_data, random_forecasts, record
from sklearn.metrics import roc_auc_score

from salus_data.errors import FormatError
from salus_data.types import Outcome
from salus_predictor.evaluation.alarms import (
    NONE,
    UNCOUNTED,
    AlarmRules,
    alarm_events,
    episode_alarms,
)
from salus_predictor.evaluation.bootstrap import episode_weights
from salus_predictor.evaluation.episode import prefix_auc
from salus_predictor.evaluation.evaluate import Settings, evaluate
from salus_predictor.evaluation.event import confusion, event_metrics
from salus_predictor.evaluation.splits import split_episodes
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.model.base import Forecasts

RULES = AlarmRules(horizon=20, reaction=3, clear=10)
ONSET = 50


def one(kind, rows, which=0, level=0.9, **changes):
    """One episode with event at row 50 and an alarm of type `which` at `rows`."""
    data = make_data([record(0, kind, ONSET + 2, **changes)], [ONSET + 2])
    probability = np.full((data.n_rows, 3, 2), 0.1)
    probability[rows, :, which] = level
    outcome = np.tile([0.5, 0.25, 0.25], (data.n_rows, 1))
    return episode_alarms(data, Forecasts(probability, outcome), np.full(2, 0.5), RULES)


@pytest.mark.parametrize(
    ("rows", "lead"),
    [
        ([ONSET - 20], 20),  # the first step of the window
        ([ONSET - 21], 0),  # one step too early
        ([ONSET - 3], 3),  # the last step in time
        ([ONSET - 2], 0),  # too late to act
        ([ONSET - 12, ONSET - 4], 12),
        (list(range(10, ONSET)), 20),  # on for long: counted inside the window
        ([], 0),
        ([ONSET, ONSET + 1], 0),  # at and after the event
    ],
)
def test_a_hit_is_an_alarm_inside_the_window(rows, lead) -> None:
    found = one(0, rows)
    assert found.lead[0, 0] == lead
    assert found.lead_any[0] == lead
    assert found.said[0] == (0 if lead else NONE)


def test_an_alarm_of_another_type_is_no_hit_of_this_one() -> None:
    found = one(0, [ONSET - 10], which=1)
    assert found.lead[0, 0] == 0
    assert found.lead_any[0] == 10
    assert confusion(found, 2).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_a_probability_at_the_threshold_is_no_alarm() -> None:
    assert one(0, [ONSET - 10], level=0.5).lead_any[0] == 0


@pytest.mark.parametrize(
    ("kind", "rows", "false"),
    [
        (None, [], 0),
        (None, [5], 1),
        (None, [5, 6, 7, 15], 1),  # ten steps apart: one event
        (None, [5, 16], 2),
        (None, [ONSET], 0),  # after success nobody asks
        (0, [5], 1),
        (0, [ONSET - 21], 1),
        (0, [ONSET - 20], 0),
        (0, list(range(ONSET - 30, ONSET - 15)), 0),  # reaches into the window
        (0, [5, ONSET - 10], 1),
    ],
)
def test_false_alarm_events(kind, rows, false) -> None:
    assert one(kind, rows).false[0] == false


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": Outcome.TRUNCATED, "onset_step": -1},
        {"outcome": Outcome.STOPPED, "onset_step": -1},
        {"onset_step": -1, "outcome": Outcome.FAILURE},
        {"first_intervention_step": 9},
    ],
)
def test_an_episode_with_an_unknown_end_counts_in_nothing(changes) -> None:
    found = one(0, [5, 30], **changes)
    assert found.kind[0] == UNCOUNTED
    assert found.false[0] == 0
    assert confusion(found, 2).sum() == 0


def test_rates_and_lead_times_of_a_small_set() -> None:
    kinds, lengths = [None, None, 0, 0, 0, 1], [62, 32, 52, 52, 52, 52]
    data = make_data([record(i, kinds[i], n) for i, n in enumerate(lengths)], lengths)
    probability = np.zeros((data.n_rows, 3, 2))
    for episode, row in ((0, 5), (0, 30), (2, 40), (3, 44), (3, 5)):
        probability[data.starts[episode] + row, :, 0] = 0.9
    outcome = np.tile([1.0, 0, 0], (data.n_rows, 1))
    alarms = episode_alarms(data, Forecasts(probability, outcome), np.full(2, 0.5), RULES)
    tree = event_metrics(data, alarms, episode_weights(6, 50))
    assert tree["false_alarms_per_success"].value == 1.0  # two in one of two successes
    hours = (60 + 30 + 4 * 50) * PERIOD / 3600
    assert tree["false_alarms_per_hour"].value == pytest.approx(3 / hours)
    collision = tree["by_type"]["collision"]
    assert collision["recall"].value == pytest.approx(2 / 3)
    assert collision["lead_median_steps"].value == 8  # 10 and 6
    assert collision["lead_p10_steps"].value == 6
    assert tree["by_type"]["drop"]["recall"].value == 0
    assert tree["by_type"]["drop"]["lead_median_steps"].value is None
    assert tree["all"]["recall"].value == pytest.approx(0.5)


def test_gradual_and_abrupt_causes_are_told_apart() -> None:
    records = [record(i, 0, 52, abrupt=i < 2) for i in range(4)]
    data = make_data([*records, record(4, None, 52)], [52] * 5)
    probability = np.zeros((data.n_rows, 3, 2))
    for episode in (2, 3):
        probability[data.starts[episode] + 40, :, 0] = 0.9
    outcome = np.tile([1.0, 0, 0], (data.n_rows, 1))
    found = evaluate(
        "x",
        data,
        Forecasts(probability, outcome),
        Thresholds(np.full((3, 2), 0.5), np.full(2, 0.5), 0.1, "test"),
        Settings(replicates=30),
    ).tree
    assert found["event"]["by_cause"]["gradual"]["all"]["recall"].value == 1
    assert found["event"]["by_cause"]["abrupt"]["all"]["recall"].value == 0
    step = found["step"]["by_cause"]
    assert step["gradual"]["macro"]["ap"].value > step["abrupt"]["macro"]["ap"].value


@given(st.lists(st.integers(0, 200), max_size=40), st.integers(1, 20))
def test_alarm_events_part_where_the_pause_is_long_enough(steps, clear) -> None:
    ordered = np.unique(np.array(steps, np.int64))
    events = alarm_events(ordered, clear)
    inside = [s for low, high in events for s in ordered if low <= s <= high]
    assert inside == ordered.tolist()
    assert all(b[0] - a[1] > clear for a, b in pairwise(events))
    for low, high in events:
        of_event = ordered[(ordered >= low) & (ordered <= high)]
        assert (np.diff(of_event) <= clear).all()


def test_the_prefix_is_that_of_the_shortest_episode_of_the_task() -> None:
    data = random_data(11, 40)
    forecasts = random_forecasts(data, 11)
    weights = np.ones((1, len(data)))
    shortest = min(r.onset_step for r in data.records)
    for share in (0.25, 0.5, 1.0):
        row = int(np.ceil(share * shortest)) - 1
        risk = 1 - forecasts.outcome[data.starts + row, 0]
        failed = [r.outcome is Outcome.FAILURE for r in data.records]
        pooled, within = prefix_auc(data, forecasts, share, weights)
        assert pooled.value == pytest.approx(roc_auc_score(failed, risk))
        assert within.value == pytest.approx(pooled.value)


def test_within_task_auc_knows_no_task() -> None:
    """A score that is the task's failure rate alone has a pooled AUC and no within-task one."""
    tasks = [0] * 30 + [1] * 30
    kinds = [0 if i % 10 < (8 if t else 2) else None for i, t in enumerate(tasks)]
    records = [record(i, k, 40, task=f"t{tasks[i]}") for i, k in enumerate(kinds)]
    data = make_data(records, [40] * 60)
    rate = np.repeat([0.8 if t else 0.2 for t in tasks], 40)
    forecasts = Forecasts(np.zeros((2400, 3, 2)), np.stack([1 - rate, rate, 0 * rate], axis=1))
    pooled, within = prefix_auc(data, forecasts, 1.0, np.ones((1, 60)))
    assert pooled.value > 0.75
    assert within.value == 0.5


def test_a_length_that_gives_the_label_away_does_not_help() -> None:
    records = [record(i, 0 if i % 2 else None, 90 if i % 2 else 45) for i in range(40)]
    data = make_data(records, [90 if i % 2 else 45 for i in range(40)])
    clock = np.clip(data.step_of_row / 100, 0, 1)
    outcome = np.stack([1 - clock, clock, 0 * clock], axis=1)
    pooled, _ = prefix_auc(
        data, Forecasts(np.zeros((data.n_rows, 3, 2)), outcome), 1.0, np.ones((1, 40))
    )
    assert pooled.value == 0.5


def test_splits_are_by_episode_and_hold_every_ending() -> None:
    data = random_data(12, 50)
    parts = split_episodes(data, (0.6, 0.2, 0.2), seed=1)
    assert sorted(np.concatenate(parts).tolist()) == list(range(50))
    for part in parts:
        assert {data.records[e].failure_type for e in part} == {-1, 0, 1}
    again = split_episodes(data, (0.6, 0.2, 0.2), seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))
    with pytest.raises(FormatError, match="too few"):
        split_episodes(data.subset([0]), (0.6, 0.2, 0.2))


def test_forecasts_that_are_no_probabilities_are_refused() -> None:
    data = random_data(13, 8)
    good = random_forecasts(data, 13)
    thresholds = Thresholds(np.full((3, 2), 0.5), np.full(2, 0.5), 0.1, "test")
    bad = good.probability.copy()
    bad[3, 0, 0] = 1.5
    with pytest.raises(FormatError, match="no probabilities"):
        evaluate("x", data, Forecasts(bad, good.outcome), thresholds)
    with pytest.raises(FormatError, match="shapes"):
        evaluate("x", data, Forecasts(good.probability[1:], good.outcome), thresholds)
