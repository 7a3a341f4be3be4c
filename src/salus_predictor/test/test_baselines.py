"""Baselines do what their sources say, and find what they are meant to find and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scored_data import HORIZONS, TYPES, make_data, random_data, record
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from salus_data.errors import ContractMismatchError, SalusError, UnknownNameError
from salus_predictor.baselines.base import (
    PRIOR_ROWS,
    BinnedMap,
    MissingInputError,
    outcome_of_row,
    success_rows,
)
from salus_predictor.baselines.clocks import CLOCKS, chunk_phase, elapsed, since_milestone
from salus_predictor.baselines.constants import AlwaysNegative, BaseRate
from salus_predictor.baselines.distances import NEIGHBOUR, mahalanobis, nearest_neighbours
from salus_predictor.baselines.episodes import ActProbe, SafeLstm, SafeMlp, fit_actprobe, safe
from salus_predictor.baselines.networks import (
    distillation,
    distillation_error,
    flow_loss,
    flow_to_noise,
    network,
    noise_length,
)
from salus_predictor.baselines.registry import baselines, chosen
from salus_predictor.baselines.signals import published_signal, single_signal
from salus_predictor.baselines.views import View
from salus_predictor.baselines.windows import WINDOWS, bin_rows, kind_rows
from salus_predictor.evaluation.benchmark import Split, run_benchmark
from salus_predictor.evaluation.evaluate import Settings
from salus_predictor.model.features import extract
from salus_predictor.report.tables import LABELS


@pytest.fixture(scope="module")
def train():
    return random_data(1, 80)


@pytest.fixture(scope="module")
def unseen():
    return random_data(2, 40, first=1000)


def auroc(data, forecasts, kind=0, horizon=-1) -> float:
    rows = data.valid[:, horizon, kind]
    return roc_auc_score(
        data.labels[rows, horizon, kind], forecasts.probability[rows, horizon, kind]
    )


def far_from_success(data, score) -> float:
    """AUROC of `one of the last rows before a failure` against all rows of successes."""
    near = data.labels[:, 0].any(axis=1)
    calm = success_rows(data)
    values = score(data)
    return roc_auc_score(near[near | calm], values[near | calm])


def test_the_map_counts_labels_in_bins(train) -> None:
    score = np.where(train.step_of_row < 20, 0.0, 1.0)
    score[::7] = np.nan
    mapping = BinnedMap.fit(score, train)
    forecasts = mapping(score)
    outcome = outcome_of_row(train)
    for value in (0.0, 1.0, np.nan):
        rows = np.isnan(score) if np.isnan(value) else score == value
        for h in range(len(HORIZONS)):
            for c in range(len(TYPES)):
                valid = train.valid[:, h, c]
                label = train.labels[:, h, c] > 0
                n, k, base = (rows & valid).sum(), (rows & valid & label).sum(), label[valid].mean()
                wanted = (k + PRIOR_ROWS * base) / (n + PRIOR_ROWS)
                assert forecasts.probability[rows, h, c] == pytest.approx(wanted)
        known = rows & (outcome >= 0)
        succeeded = np.sum(known & (outcome == 0)), (outcome[outcome >= 0] == 0).mean()
        wanted = (succeeded[0] + PRIOR_ROWS * succeeded[1]) / (known.sum() + PRIOR_ROWS)
        assert forecasts.outcome[rows, 0] == pytest.approx(wanted)


def test_every_baseline_gives_probabilities_that_grow_with_the_horizon(train, unseen) -> None:
    for recipe in (*CLOCKS, BaseRate(), AlwaysNegative(), single_signal("warning")):
        found = recipe.fit(train, unseen, seed=0).predict(unseen)
        assert (np.diff(found.probability, axis=1) >= -1e-12).all(), recipe.name
        assert found.outcome.sum(axis=1) == pytest.approx(1), recipe.name


def test_constants(train, unseen) -> None:
    never = AlwaysNegative().fit(train, unseen, seed=0).predict(unseen)
    assert (never.probability == 0).all()
    assert (never.outcome[:, 0] == 1).all()
    rate = BaseRate().fit(train, unseen, seed=0).predict(unseen)
    for h in range(len(HORIZONS)):
        for c in range(len(TYPES)):
            wanted = train.labels[:, h, c][train.valid[:, h, c]].mean()
            assert rate.probability[:, h, c] == pytest.approx(wanted)


def planted_clock(first: int):
    """Failures at step 60 or so, whatever the signals say; successes are as long."""
    random = np.random.default_rng(first)
    lengths = random.integers(58, 64, 60)
    kinds = [None, 0, None, 1]
    return make_data(
        [record(first + i, kinds[i % 4], int(n)) for i, n in enumerate(lengths)], lengths
    )


def test_the_highest_scores_keep_the_highest_rate(train) -> None:
    """Few rows have them, but a prior must not put them below the next."""
    ahead = train.labels[:, -1].any(axis=1)
    score = np.where(ahead, 1.0, 0.0) + np.random.default_rng(0).normal(size=len(ahead)) / 5
    found = BinnedMap.fit(score, train)(score).probability[:, -1].sum(axis=1)
    top = np.argsort(score)[-10:]
    assert found[top].min() > 0.9


def test_elapsed_time_finds_a_planted_clock(train, unseen) -> None:
    clock = CLOCKS[0]
    planted, fresh = planted_clock(0), planted_clock(500)
    assert auroc(fresh, clock.fit(planted, planted, seed=0).predict(fresh), horizon=0) > 0.9
    signal = single_signal("noise").fit(planted, planted, seed=0)
    assert auroc(fresh, signal.predict(fresh), horizon=0) == pytest.approx(0.5, abs=0.1)


def test_time_since_a_milestone_by_counting() -> None:
    data = make_data([record(0, None, 30, milestones=(("a", 4), ("b", 10)))], [30])
    found = since_milestone(data)
    count = 0
    for step in range(30):
        count = 0 if step in (0, 4, 10) else count + 1
        assert found[step] == count
    assert elapsed(data).tolist() == list(range(30))


def test_chunk_phase_is_what_the_store_says_and_nothing_without_chunks() -> None:
    data = make_data([record(0, None, 6)], [6], chunk_phase=np.array([-1, 0, 1, 2, 0, 1], np.int16))
    assert chunk_phase(data) == pytest.approx([np.nan, 0, 1, 2, 0, 1], nan_ok=True)


def test_ensemble_variance_and_epistemic_alone_are_their_signals() -> None:
    random = np.random.default_rng(0)
    for name, column in (
        ("ensemble_variance", "chunk_disagreement"),
        ("ensemble_variance", "ensemble_variance"),
        ("epistemic_alone", "epistemic"),
    ):
        values = random.uniform(size=(40, 2)).astype(np.float32)
        data = make_data([record(0, 0, 40)], [40], signals=values, names=("other", column))
        found = published_signal(name).fit(data, data, seed=0).score(data)
        assert (found == values[:, 1]).all()


def test_stac_is_the_sum_since_the_start_of_the_episode() -> None:
    values = np.random.default_rng(0).uniform(size=(70, 2))
    values[5] = np.nan
    data = make_data(
        [record(0, None, 30), record(1, 0, 40)],
        [30, 40],
        signals=values,
        names=("stac", "chunk_mse"),
    )
    for name, column in (("stac", 0), ("stac_single", 1)):
        predictor = published_signal(name).fit(data, data, seed=0)
        total = 0.0
        for row in range(70):
            total = 0.0 if row == 30 else total
            total += 0.0 if row == 5 else float(np.float32(values[row, column]))
            assert predictor.score(data)[row] == pytest.approx(total, rel=1e-6)


def test_mahalanobis_by_the_inverse_covariance(train, unseen) -> None:
    rows = train.embedding.astype(np.float64)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    good = ((rows - mean) / scale)[success_rows(train)]
    inverse = np.linalg.inv(LedoitWolf().fit(good).covariance_)
    offset = (unseen.embedding.astype(np.float64) - mean) / scale - good.mean(axis=0)
    wanted = np.einsum("ni,ij,nj->n", offset, inverse, offset)
    found = mahalanobis("embedding")(train, 0)(unseen)
    assert found == pytest.approx(wanted, rel=1e-3)
    assert far_from_success(unseen, mahalanobis("embedding")(train, 0)) > 0.8


def test_nearest_neighbours_by_all_distances(train, unseen) -> None:
    view = View.fit(train, "embedding")
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (view(train), view(unseen))]
    reference = unit[0][success_rows(train)]
    small = unit[1][:50]
    wanted = np.sort(np.linalg.norm(small[:, None] - reference[None], axis=2), axis=1)
    found = nearest_neighbours("embedding")(train, 0)(unseen)
    assert found[:50] == pytest.approx(wanted[:, NEIGHBOUR - 1], abs=1e-4)


def test_networks_of_successes_find_what_is_not_like_them(train, unseen) -> None:
    for fit in (distillation, flow_to_noise):
        score = fit("embedding")(train, 3)
        assert far_from_success(unseen, score) > 0.7, fit.__name__
        assert np.array_equal(score(unseen), fit("embedding")(train, 3)(unseen))


def by_hand(layers, rows: np.ndarray) -> np.ndarray:
    """A network of linear layers with ReLU between them, in numpy."""
    linear = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    for number, layer in enumerate(linear):
        rows = rows @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        rows = np.maximum(rows, 0) if number + 1 < len(linear) else rows
    return rows


def test_random_network_distillation_by_hand() -> None:
    torch.manual_seed(0)
    target, student = network(4, 3), network(4, 3)
    rows = torch.randn(9, 4)
    found = distillation_error(student, target, rows).detach().numpy()
    difference = by_hand(student, rows.numpy()) - by_hand(target, rows.numpy())
    assert found == pytest.approx((difference**2).sum(axis=1) / 3, abs=1e-6)


def test_flow_matching_and_its_length_by_hand() -> None:
    torch.manual_seed(0)
    velocity = network(4 + 1, 4)
    rows, noise, time = torch.randn(9, 4), torch.randn(9, 4), torch.rand(9, 1)
    x, z, t = rows.numpy(), noise.numpy(), time.numpy()
    there = np.concatenate([(1 - t) * x + t * z, t], axis=1)
    wanted = ((by_hand(velocity, there) - z + x) ** 2).mean(axis=1)
    assert flow_loss(velocity, rows, noise, time).detach().numpy() == pytest.approx(
        wanted, abs=1e-5
    )
    start = np.concatenate([x, np.zeros((9, 1), np.float32)], axis=1)
    wanted = ((x + by_hand(velocity, start)) ** 2).sum(axis=1)
    assert noise_length(velocity, rows).detach().numpy() == pytest.approx(wanted, abs=1e-4)


def test_the_flow_carries_a_gaussian_to_noise() -> None:
    """The best guess of noise minus row at time 0 is the mean noise minus the row: length 0."""
    data = random_data(5, 60, informative=False)
    score = flow_to_noise("embedding")(data, 0)
    inside = score(data)
    assert np.median(inside) < 0.2 * np.median((View.fit(data, "embedding")(data) ** 2).sum(axis=1))


def test_safe_mlp_sums_and_its_loss_is_by_hand() -> None:
    torch.manual_seed(0)
    model = SafeMlp(3)
    rows = torch.randn(2, 4, 3)
    first, _, second, _ = model.net
    hidden = np.maximum(
        rows.numpy() @ first.weight.detach().numpy().T + first.bias.detach().numpy(), 0
    )
    logit = hidden @ second.weight.detach().numpy().T + second.bias.detach().numpy()
    wanted = np.cumsum(1 / (1 + np.exp(-logit[..., 0])), axis=1)
    scores = model(rows)
    assert scores.detach().numpy() == pytest.approx(wanted, abs=1e-6)
    loss = model.loss(scores, torch.tensor([1.0, 0.0])).detach().numpy()
    assert loss[0] == pytest.approx(np.arange(1, 5) - wanted[0], abs=1e-6)
    assert loss[1] == pytest.approx(wanted[1], abs=1e-6)


def test_cross_entropy_of_every_step_by_hand() -> None:
    scores = torch.tensor([[0.5, -1.0]])
    p = 1 / (1 + np.exp(-scores.numpy()))
    for failed in (0.0, 1.0):
        found = SafeLstm(2).loss(scores, torch.tensor([failed]))
        wanted = -(failed * np.log(p) + (1 - failed) * np.log(1 - p))
        assert found.numpy() == pytest.approx(wanted, abs=1e-6)


def lstm_by_hand(lstm: torch.nn.LSTM, rows: np.ndarray) -> np.ndarray:
    """Hidden states (T, G) of rows (T, M): Hochreiter and Schmidhuber, with a forget gate."""
    w, u, b, c = (x.detach().numpy() for x in lstm.parameters())
    size = u.shape[1]
    hidden, cell, out = np.zeros(size), np.zeros(size), []
    for row in rows:
        i, f, g, o = np.split(w @ row + b + u @ hidden + c, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        cell = f * cell + i * np.tanh(g)
        hidden = o * np.tanh(cell)
        out.append(hidden)
    return np.array(out)


def test_safe_lstm_and_actprobe_by_hand() -> None:
    torch.manual_seed(0)
    rows = torch.randn(1, 6, 3)
    plain = rows[0].numpy()
    model = SafeLstm(3).eval()
    wanted = by_hand([model.out], lstm_by_hand(model.lstm, plain))[:, 0]
    assert model(rows)[0].detach().numpy() == pytest.approx(wanted, abs=1e-5)
    probe = ActProbe(3).eval()
    timed = np.column_stack([plain, np.arange(6) / 100])
    wanted = by_hand(probe.head, np.column_stack([lstm_by_hand(probe.lstm, timed), timed]))[:, 0]
    assert probe(rows)[0].detach().numpy() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", [SafeMlp, SafeLstm, ActProbe])
def test_sequence_models_do_not_see_the_future(kind) -> None:
    torch.manual_seed(1)
    model = kind(3).eval()
    rows = torch.randn(1, 12, 3)
    with torch.no_grad():
        assert torch.allclose(model(rows)[:, :7], model(rows[:, :7]), atol=1e-6)


def shown_from_the_start(seed: int, episodes: int):
    """Episodes of 60 steps, whose second embedding is higher in failures at every step.

    SAFE-MLP sums over steps: where lengths differ it measures them, and its loss counts a step once
    for every step after it, so that what only the last steps show hardly counts.
    """
    data = random_data(seed, episodes, informative=False, first=1000 * seed, length=60)
    failed = np.array([r.failure_type >= 0 for r in data.records])
    embedding = data.embedding.copy()
    embedding[:, 1] += failed[data.episode_of_row]
    return replace(data, embedding=embedding), failed


def test_models_of_outcomes_learn_from_outcomes() -> None:
    train, _ = shown_from_the_start(1, 80)
    unseen, failed = shown_from_the_start(2, 40)
    for fit in (safe(SafeMlp, "embedding"), safe(SafeLstm, "embedding")):
        score = fit(train, 0)(unseen)
        assert roc_auc_score(failed, score[unseen.ends - 3]) > 0.8


def test_actprobe_reads_action_signals_under_either_name(train) -> None:
    values = np.random.default_rng(0).normal(size=(train.n_rows, 3))
    lengths = train.lengths.tolist()
    data = make_data(
        train.records, lengths, signals=values, names=("action_norm", "chunk_mse", "other")
    )
    assert fit_actprobe(data, 0)(data).shape == (data.n_rows,)
    with pytest.raises(MissingInputError, match="action_magnitude or action_norm"):
        fit_actprobe(train, 0)


def test_rows_and_classes_of_the_window_baselines() -> None:
    data = make_data([record(0, 1, 40), record(1, None, 40)], [40, 40])
    rows, classes, weight = kind_rows(data, np.random.default_rng(0))
    positive = rows[classes > 0]
    assert sorted(positive) == list(range(38 - 20, 38))
    assert set(classes) == {0, 2}
    assert weight[classes == 0].sum() == 18 + 38
    rows, classes, _ = bin_rows(data, np.random.default_rng(0))
    for row, found in zip(rows, classes, strict=True):
        assert HORIZONS[found] == min(h for h in HORIZONS if h >= 38 - row)


@pytest.mark.parametrize("recipe", WINDOWS, ids=lambda r: r.name)
def test_window_baselines_learn_and_stream(recipe, train, unseen) -> None:
    predictor = recipe.fit(train, unseen.subset(range(20)), seed=0)
    scored = unseen.subset(range(20, 40))
    found = predictor.predict(scored)
    assert (np.diff(found.probability, axis=1) >= -1e-12).all()
    # The signal grows over the last 15 steps: at 10 all rows asked for show it, at 20 not.
    assert auroc(scored, found, 0, horizon=1) > 0.9
    assert auroc(scored, found, 1, horizon=1) > 0.9
    stream = predictor.stream()
    for episode in (0, 1):
        stream.reset()
        for row in range(*scored.rows(episode).indices(scored.n_rows)):
            step = stream.step(scored.signals[row])
            assert step.probability == pytest.approx(found.probability[row], abs=1e-6)
            assert step.outcome == pytest.approx(found.outcome[row], abs=1e-6)


def test_logistic_windows_by_another_solver(train, unseen) -> None:
    """P(failure c within the longest horizon) is the class probability of one regression."""
    found = WINDOWS[0].fit(train, unseen, seed=3)
    features = extract(train.signals, train.ends, found.normalisation)
    rows, classes, weight = kind_rows(train, np.random.default_rng(3))
    mean, scale = features[rows].mean(axis=0), features[rows].std(axis=0)
    scale[scale == 0] = 1
    model = LogisticRegression(C=1e-3, solver="newton-cg").fit(
        (features[rows] - mean) / scale, classes, sample_weight=weight
    )
    wanted = model.predict_proba((features - mean) / scale)[:, 1:]
    assert found.predict(train).probability[:, -1] == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("recipe", WINDOWS, ids=lambda r: r.name)
def test_window_baselines_find_nothing_where_nothing_is(recipe) -> None:
    """The minimum and maximum of a window that fills up tell the time: there must be none."""
    train, fresh = (
        random_data(s, 60, informative=False, first=s * 1000, clock=False) for s in (3, 4)
    )
    predictor = recipe.fit(train, fresh.subset(range(20)), seed=0)
    rest = fresh.subset(range(20, 60))
    assert auroc(rest, predictor.predict(rest)) < 0.65


def test_a_single_signal_streams(train, unseen) -> None:
    predictor = single_signal("warning").fit(train, unseen, seed=0)
    found = predictor.predict(unseen)
    stream = predictor.stream()
    for row in range(30):
        step = stream.step(unseen.signals[row, 1:])
        assert step.probability == pytest.approx(found.probability[row], abs=1e-6)
    with pytest.raises(SalusError, match="more than the signals"):
        CLOCKS[0].fit(train, unseen, seed=0).stream()


def test_a_benchmark_names_what_it_could_not_run(train, unseen) -> None:
    bare = make_data(train.records, train.lengths.tolist(), signals=train.signals)
    split = Split(bare, bare, unseen)
    names = "always_negative,chunk_phase,stac,safe_lstm,mahalanobis,signal:warning"
    result = run_benchmark(
        chosen(baselines(bare.signal_names), names),
        split,
        far=0.2,
        settings=Settings(replicates=30),
    )
    assert set(result.evaluations) == {"always_negative", "signal:warning"}
    assert result.not_run["chunk_phase"] == "lacks chunk_phase"
    assert result.not_run["stac"] == "lacks signal stac or chunk_mse_mmd"
    assert result.not_run["safe_lstm"] == result.not_run["mahalanobis"] == "lacks embedding"
    never = result.evaluations["always_negative"].tree
    assert never["step"]["macro"]["f1"].value == 0
    assert never["event"]["false_alarms_per_success"].value == 0
    best = result.evaluations["signal:warning"].tree
    assert best["step"]["macro"]["f1"].value > 0.3
    assert best["event"]["all"]["recall"].value > 0.5


def test_an_unknown_baseline_is_named(train) -> None:
    with pytest.raises(UnknownNameError, match="always_negative"):
        chosen(baselines(train.signal_names), "no_such")


def test_other_data_is_refused(train, unseen) -> None:
    predictor = single_signal("warning").fit(train, unseen, seed=0)
    other = make_data([record(0, 0, 40)], [40], horizons=(5, 10))
    with pytest.raises(ContractMismatchError, match="horizons"):
        predictor.predict(other)
    lacking = make_data([record(0, 0, 40)], [40], names=("noise", "else"))
    with pytest.raises(ContractMismatchError, match="warning"):
        predictor.predict(lacking)


def test_every_baseline_has_a_name_that_a_reader_understands() -> None:
    assert {recipe.name for recipe in baselines(())} == set(LABELS)
