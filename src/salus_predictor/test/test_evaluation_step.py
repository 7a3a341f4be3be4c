"""Step metrics are those of scikit-learn and of plain loops; intervals are of episodes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_data import HORIZONS, TYPES, make_data, random_data, random_forecasts, record
from sklearn import metrics

from salus_predictor.evaluation.bootstrap import episode_weights, weighted_quantile
from salus_predictor.evaluation.evaluate import Settings, evaluate
from salus_predictor.evaluation.figure import Figure, tree_to_json
from salus_predictor.evaluation.ranking import rank_metrics
from salus_predictor.evaluation.step import cell_metrics
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.model.base import Forecasts


def cell(seed: int, n: int, levels: int, share: float):
    random = np.random.default_rng(seed)
    label = random.uniform(size=n) < share
    label[0], label[-1] = True, False
    score = np.round((random.normal(size=n) + label) * levels) / levels
    score = 1 / (1 + np.exp(-score))
    episode = np.sort(random.integers(0, 7, n))
    weights = random.integers(0, 4, (5, 7)).astype(float)
    weights[0] = 1
    return label, score, episode, weights


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 200), st.sampled_from([1, 3, 1000]))
def test_ranking_is_that_of_scikit_learn_for_every_weighting(seed, n, levels) -> None:
    label, score, episode, weights = cell(seed, n, levels, 0.2)
    ap, auroc = rank_metrics(label, score, episode, weights)
    for r, weight in enumerate(weights):
        w = weight[episode]
        if w[label].sum() == 0 or w[~label].sum() == 0:
            assert np.isnan(auroc[r])
            continue
        wanted = metrics.average_precision_score(label, score, sample_weight=w)
        assert ap[r] == pytest.approx(wanted, abs=1e-9)
        wanted = metrics.roc_auc_score(label, score, sample_weight=w)
        assert auroc[r] == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_cell_metrics_are_those_of_scikit_learn_for_every_weighting(seed, threshold) -> None:
    label, score, episode, weights = cell(seed, 120, 1000, 0.3)
    found = cell_metrics(label, score, episode, threshold, weights)
    for r, weight in enumerate(weights):
        w = weight[episode]
        if w[label].sum() == 0 or w.sum() == w[label].sum():
            continue
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            label, score >= threshold, average="binary", sample_weight=w, zero_division=0
        )
        base = np.average(label, weights=w)
        brier = metrics.brier_score_loss(label, score, sample_weight=w)
        assert found["f1"][r] == pytest.approx(f1)
        assert found["precision"][r] == pytest.approx(precision)
        assert found["recall"][r] == pytest.approx(recall)
        assert found["prevalence"][r] == pytest.approx(base)
        assert found["brier_skill"][r] == pytest.approx(1 - brier / (base * (1 - base)))
        assert found["ece"][r] == pytest.approx(plain_ece(label, score, w))


def plain_ece(label, score, w) -> float:
    total = 0.0
    for low in range(15):
        inside = (score * 15 >= low) & ((score * 15 < low + 1) | (low == 14))
        if w[inside].sum():
            gap = np.average(score[inside] - label[inside], weights=w[inside])
            total += w[inside].sum() / w.sum() * abs(gap)
    return total


def test_a_weight_of_two_is_an_episode_twice() -> None:
    data = random_data(1, 12)
    forecasts = random_forecasts(data, 1)
    label, score = data.labels[:, 2, 0] > 0, forecasts.probability[:, 2, 0]
    valid = data.valid[:, 2, 0]
    weights = np.ones((1, len(data)))
    weights[0, 1], weights[0, 3] = 2, 0
    rows = np.flatnonzero(valid)
    found = cell_metrics(label[rows], score[rows], data.episode_of_row[rows], 0.3, weights)
    copies = np.concatenate(
        [np.arange(data.n_rows)[data.rows(e)] for e in [0, 1, 1, 2, *range(4, 12)]]
    )
    copies = copies[valid[copies]]
    plain = cell_metrics(
        label[copies], score[copies], np.zeros(len(copies), np.int64), 0.3, np.ones((1, 1))
    )
    for name, value in found.items():
        assert value[0] == pytest.approx(plain[name][0]), name


def score_all(data, forecasts, f1=0.3, alarm=0.5, **changes):
    thresholds = Thresholds(
        np.full((len(HORIZONS), len(TYPES)), f1), np.full(len(TYPES), alarm), 0.2, "test"
    )
    return evaluate("some", data, forecasts, thresholds, Settings(replicates=60, **changes))


def test_macro_is_the_mean_over_horizons_and_types() -> None:
    data = random_data(2)
    tree = score_all(data, random_forecasts(data, 2)).tree["step"]
    cells = [tree["cells"][c][str(h)]["f1"].value for c in TYPES for h in HORIZONS]
    assert tree["macro"]["f1"].value == pytest.approx(np.mean(cells))
    later = [tree["cells"][c][str(h)]["f1"].value for c in TYPES for h in (10, 20)]
    assert tree["macro_10_20"]["f1"].value == pytest.approx(np.mean(later))
    assert tree["by_type"]["drop"]["ap"].value == pytest.approx(
        np.mean([tree["cells"]["drop"][str(h)]["ap"].value for h in HORIZONS])
    )


def test_rows_whose_truth_is_not_known_do_not_count() -> None:
    data = random_data(3)
    forecasts = random_forecasts(data, 3)
    wild = forecasts.probability.copy()
    wild[~data.valid] = 1.0
    before, after = (
        tree_to_json(score_all(data, Forecasts(p, forecasts.outcome)).tree)["step"]
        for p in (forecasts.probability, wild)
    )
    assert before == after


def test_perfect_forecasts_and_no_forecasts() -> None:
    data = random_data(4)
    right = data.labels.astype(float)
    outcome = np.tile([1.0, 0, 0], (data.n_rows, 1))
    macro = score_all(data, Forecasts(right, outcome), 0.5).tree["step"]["macro"]
    assert macro["f1"].value == macro["ap"].value == macro["auroc"].value == 1
    assert macro["brier_skill"].value == 1
    assert macro["ece"].value == 0
    nothing = score_all(data, Forecasts(0 * right, outcome), 0.0).tree["step"]["macro"]
    assert nothing["f1"].value == nothing["recall"].value == 0
    assert nothing["auroc"].value == 0.5
    assert nothing["ap"].value == pytest.approx(nothing["prevalence"].value)


def test_labels_of_other_episodes_score_chance() -> None:
    data = random_data(5, 200)
    other = random_forecasts(random_data(6, 200), 5, strength=3.0)
    rows = np.random.default_rng(0).integers(0, len(other.outcome), data.n_rows)
    shuffled = Forecasts(other.probability[rows], other.outcome[rows])
    macro = score_all(data, shuffled).tree["step"]["macro"]
    assert macro["auroc"].value == pytest.approx(0.5, abs=0.03)
    assert macro["ap"].value < 1.5 * macro["prevalence"].value


def test_a_type_that_does_not_occur_has_no_figure_and_says_why() -> None:
    data = random_data(7, 20)
    chosen = [e for e, r in enumerate(data.records) if r.failure_type != 1]
    part = data.subset(chosen)
    tree = tree_to_json(score_all(part, random_forecasts(part, 7)).tree)["step"]
    assert tree["by_type"]["drop"]["f1"] is None
    assert tree["by_type"]["drop"]["f1_ci"] is None
    assert "drop" in tree["by_type"]["drop"]["f1_reason"]
    assert tree["types_without_positives"] == ["drop"]
    assert tree["macro"]["f1"] == tree["by_type"]["collision"]["f1"]


def test_without_failures_every_figure_is_null_and_says_why() -> None:
    data = make_data([record(i, None, 40) for i in range(5)], [40] * 5)
    tree = tree_to_json(score_all(data, random_forecasts(data, 8)).tree)
    assert tree["step"]["macro"]["f1"] is None
    assert tree["event"]["all"]["recall"] is None
    assert tree["episode"]["auc_prefix_50"] is None
    assert tree["event"]["false_alarms_per_success"] is not None
    assert_reasons(tree)


def assert_reasons(tree: dict) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            assert_reasons(value)
        elif value is None and not name.endswith("_ci"):
            assert tree[f"{name}_reason"]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        values = random.normal(size=40)
        weights = episode_weights(40, 200, seed=trial)
        low, high = Figure.of(weights @ values / weights.sum(axis=1)).interval
        covered += low <= 0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_is_wider_than_one_of_independent_steps() -> None:
    data = random_data(9, 30)
    forecasts = random_forecasts(data, 9)
    weights = episode_weights(30, 200)
    rows = data.valid[:, 2, 0]
    label, score = data.labels[rows, 2, 0] > 0, forecasts.probability[rows, 2, 0]
    n = int(rows.sum())
    own, single = (
        Figure.of(cell_metrics(label, score, group, 0.3, w)["prevalence"]).interval
        for group, w in (
            (data.episode_of_row[rows], weights),
            (np.arange(n), episode_weights(n, 200)),
        )
    )
    assert own[1] - own[0] > 1.5 * (single[1] - single[0])


def test_replicates_do_not_depend_on_anything_but_the_seed() -> None:
    assert np.array_equal(episode_weights(9, 20, seed=3), episode_weights(9, 20, seed=3))
    assert (episode_weights(9, 20, seed=3).sum(axis=1) == 9).all()
    assert not np.array_equal(episode_weights(9, 20, seed=3), episode_weights(9, 20, seed=4))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=20), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_weighted_quantile_of_equal_weights(values, share) -> None:
    array = np.array(values, float)
    found = weighted_quantile(array, np.ones((1, len(values))), share)[0]
    wanted = np.quantile(array, share, method="averaged_inverted_cdf")
    assert found == pytest.approx(wanted)
