"""The uncertainty signals against independent formulas, and the laws they obey."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors

from salus_collector.policy.signals import consistency, embedding, entropy, spread, trend
from salus_collector.policy.signals.document import COMMAND, document
from salus_collector.policy.signals.stream import PolicySignals
from salus_collector.policy.signals.table import CORE, POLICY_SIGNALS, Sampling
from salus_collector.policy.smolvla.embedding_fit import (
    fit_statistics,
    read_statistics,
    write_statistics,
)
from salus_data.errors import PolicyError
from salus_data.signals import ROBOT_SIGNALS
from salus_data.types import Validity

PERIOD = 1 / 30
NAMES = [signal.name for signal in POLICY_SIGNALS]
SEEDS = st.integers(0, 2**32 - 1)


def draw(seed: int, members: int = 4, noises: int = 3, length: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(members, noises, length, 7))


def sampling(samples: np.ndarray, velocity: np.ndarray | None = None) -> Sampling:
    return Sampling(
        samples,
        samples if velocity is None else velocity,
        samples[:, 0].mean(axis=0),
        np.arange(5.0),
    )


def stream(samplings: list[Sampling | None]) -> tuple[np.ndarray, np.ndarray]:
    signals = PolicySignals(PERIOD)
    rows = [signals.step(one) for one in samplings]
    return np.stack([v for v, _ in rows]), np.stack([c for _, c in rows])


def test_member_variance_is_that_of_each_noise() -> None:
    samples = draw(0)
    expected = np.mean([stats.tvar(samples[:, s], axis=0) for s in range(3)], axis=0)
    np.testing.assert_allclose(spread.member_variance(samples), expected)


def test_noise_variance_is_that_of_each_member() -> None:
    samples = draw(0)
    expected = np.mean([stats.tvar(samples[k], axis=0) for k in range(4)], axis=0)
    np.testing.assert_allclose(spread.noise_variance(samples), expected)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_members_disagree_by_what_differs_between_them_alone(seed: int) -> None:
    random = np.random.default_rng(seed)
    shared, own = random.normal(size=(1, 3, 6, 7)), random.normal(size=(4, 1, 6, 7))
    clones = np.repeat(shared, 4, axis=0)
    assert spread.root_mean(spread.member_variance(clones)) < 1e-12
    np.testing.assert_allclose(
        spread.member_variance(shared + own), np.var(own[:, 0], axis=0, ddof=1), rtol=1e-9
    )


@given(SEEDS, st.floats(0.01, 100), st.permutations(range(4)), st.permutations(range(3)))
@settings(max_examples=25, deadline=None)
def test_scaling_scales_and_order_does_not_matter(
    seed: int, factor: float, members: list[int], noises: list[int]
) -> None:
    samples, mixed = draw(seed), draw(seed)[members][:, noises]
    for measure in (spread.member_variance, spread.noise_variance):
        value = spread.root_mean(measure(samples))
        assert spread.root_mean(measure(factor * samples)) == pytest.approx(factor * value)
        assert spread.root_mean(measure(mixed)) == pytest.approx(value)
        assert spread.root_largest(measure(samples)) >= value
    before = draw(seed + 1)
    assert consistency.stac(before, mixed, 2) == pytest.approx(
        consistency.stac(before, samples, 2), abs=1e-12
    )
    flat = samples.reshape(-1, 6, 7)
    assert entropy.chunk_entropy(flat[::-1]) == pytest.approx(entropy.chunk_entropy(flat))


def test_one_member_has_no_disagreement_and_one_noise_no_spread() -> None:
    assert np.isnan(spread.member_variance(draw(0, members=1))).all()
    assert np.isnan(spread.noise_variance(draw(0, noises=1))).all()


def test_maximum_mean_discrepancy_is_that_of_the_kernel_means() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(0, 0.2, (9, 12)), random.normal(0.1, 0.2, (7, 12))
    expected = np.mean(
        [
            rbf_kernel(x, x, g).mean() + rbf_kernel(y, y, g).mean() - 2 * rbf_kernel(x, y, g).mean()
            for g in (1 / (2 * 12 * h**2) for h in consistency.BANDWIDTHS)
        ]
    )
    assert consistency.maximum_mean_discrepancy(x, y) == pytest.approx(expected)


def test_chunks_that_continue_one_another_are_consistent() -> None:
    long = draw(3, length=9)
    before, now = long[:, :, :6], long[:, :, 3:]
    assert consistency.stac(before, now, 3) == pytest.approx(0, abs=1e-12)
    assert consistency.stac_single(before[0, 0], now[0, 0], 3) == 0
    assert consistency.stac(before, now + 0.5, 3) > 0.1
    assert consistency.stac_single(before[0, 0], now[0, 0] + 0.5, 3) == pytest.approx(0.5)


def test_stac_grows_with_the_distance_between_the_samples() -> None:
    samples = 0.1 * draw(0)
    values = [consistency.stac(samples, samples + shift, 0) for shift in (0, 0.05, 0.1, 0.3)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(0, abs=1e-12)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_chunk_entropy_is_that_of_the_histogram(seed: int) -> None:
    samples = np.random.default_rng(seed).normal(0, 0.1, (12, 3, 2))
    cells = np.floor(samples / entropy.CELL).astype(int)
    expected = np.mean(
        [
            stats.entropy(np.unique(cells[:, t, d], return_counts=True)[1])
            for t in range(3)
            for d in range(2)
        ]
    )
    assert entropy.chunk_entropy(samples) == pytest.approx(expected, abs=1e-12)


def test_chunk_entropy_is_nil_for_one_action_and_largest_for_all_different() -> None:
    assert entropy.chunk_entropy(np.zeros((8, 3, 2))) == 0
    apart = np.arange(8.0)[:, None, None] * np.ones((8, 3, 2))
    assert entropy.chunk_entropy(apart) == pytest.approx(np.log(8))


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_trend_is_the_slope_of_the_regression_line(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=10)
    expected = stats.linregress(PERIOD * np.arange(10), values).slope
    assert trend.slope(values, PERIOD) == pytest.approx(expected)


def test_embedding_distances_are_those_of_the_libraries(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    mixing = random.normal(size=(6, 6))
    rows = random.normal(size=(300, 6)) @ mixing + 3
    write_statistics(tmp_path, fit_statistics(rows))
    statistics = read_statistics(tmp_path)
    assert statistics is not None
    fitted = LedoitWolf().fit(rows)
    probe = random.normal(size=6) + 3
    distance = mahalanobis(probe, fitted.location_, fitted.precision_) / np.sqrt(6)
    assert embedding.mahalanobis(probe, statistics) == pytest.approx(distance, rel=1e-4)
    white = np.linalg.cholesky(fitted.precision_)
    search = NearestNeighbors(n_neighbors=5).fit(rows @ white)
    expected = search.kneighbors((probe @ white)[None])[0].mean() / np.sqrt(6)
    assert embedding.nearest_neighbours(probe, statistics) == pytest.approx(expected, rel=1e-4)
    assert cdist(rows @ white, rows @ white).max() > 0
    near = [embedding.mahalanobis(row, statistics) for row in rows]
    assert np.mean(near) == pytest.approx(1, abs=0.1)
    assert embedding.mahalanobis(rows[0] + 50 * mixing[0], statistics) > 10
    assert embedding.nearest_neighbours(rows[0] + 50 * mixing[0], statistics) > 10


def test_statistics_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    assert read_statistics(tmp_path) is None
    (tmp_path / "embedding_stats.safetensors").write_bytes(b"nothing")
    with pytest.raises(PolicyError, match=r"embedding_stats.safetensors: not embedding statistics"):
        read_statistics(tmp_path)
    with pytest.raises(PolicyError, match="two finite rows or more"):
        fit_statistics(np.full((5, 3), np.nan))


def test_names_are_unique_and_none_is_a_robot_signal() -> None:
    robot = [signal.name for signal in ROBOT_SIGNALS]
    assert len({*NAMES, *robot}) == len(NAMES) + len(robot)
    assert set(CORE) <= {*NAMES, *robot}


def test_values_have_no_reason_and_missing_ones_have() -> None:
    values, validity = stream([None, sampling(draw(0)), sampling(draw(1)), None])
    np.testing.assert_array_equal(np.isfinite(values), validity == Validity.VALID)
    assert (validity[0] == Validity.WARMING_UP).all()
    first = dict(zip(NAMES, validity[1], strict=True))
    assert first["epistemic"] == Validity.VALID
    assert first["stac"] == first["epistemic_trend"] == Validity.WARMING_UP
    assert first["embedding_mahalanobis"] == Validity.NOT_PROVIDED
    assert dict(zip(NAMES, validity[2], strict=True))["stac"] == Validity.VALID


def test_one_member_says_that_there_is_no_ensemble() -> None:
    values, validity = stream([sampling(draw(i, members=1)) for i in range(12)])
    for signal, value, code in zip(POLICY_SIGNALS, values[-1], validity[-1], strict=True):
        assert (code == Validity.NO_ENSEMBLE) == signal.ensemble
        assert np.isnan(value) == (signal.ensemble or signal.fitted)


def test_clones_agree() -> None:
    clones = [sampling(np.repeat(draw(i, members=1), 4, axis=0)) for i in range(12)]
    row = dict(zip(NAMES, stream(clones)[0][-1], strict=True))
    for signal in POLICY_SIGNALS:
        if signal.ensemble:
            assert row[signal.name] == pytest.approx(0, abs=1e-9), signal.name
    assert row["aleatoric"] > 0


def test_signals_follow_the_newest_samples_at_this_steps_place() -> None:
    one, two = draw(0), draw(1)
    values, _ = stream([sampling(one), None, sampling(two), None, None])
    epistemic = values[:, NAMES.index("epistemic")]
    places = ((one, 0), (one, 1), (two, 0), (two, 1), (two, 2))
    expected = [np.sqrt(s[:, :, t].var(axis=0, ddof=1).mean()) for s, t in places]
    np.testing.assert_allclose(epistemic, expected)
    stac = values[2:, NAMES.index("stac")]
    np.testing.assert_allclose(stac, consistency.stac(one, two, 2))


def test_a_row_does_not_depend_on_what_follows() -> None:
    samplings: list[Sampling | None] = [
        sampling(draw(i)) if i % 2 == 0 else None for i in range(16)
    ]
    whole, _ = stream(samplings)
    for stop in (1, 7, 12):
        np.testing.assert_array_equal(stream(samplings[:stop])[0], whole[:stop])


def test_reset_forgets() -> None:
    signals = PolicySignals(PERIOD)
    first = signals.step(sampling(draw(0)))[0]
    signals.step(sampling(draw(1)))
    signals.reset()
    np.testing.assert_array_equal(signals.step(sampling(draw(0)))[0], first)


@pytest.mark.parametrize("every", [1, 2])
def test_the_place_in_the_chunk_tells_little_about_a_signal(every: int) -> None:
    """Chunks whose spread grows by half from first to last action, replaced every 4 steps."""
    growth = np.linspace(1, 1.5, 16)[:, None]
    random = np.random.default_rng(0)
    level = 1 + 0.3 * np.convolve(random.normal(size=4300), np.ones(30) / 30, "valid")[:4000]
    samplings = [
        sampling(level[t] * growth * 0.1 * random.normal(size=(5, 4, 16, 7)))
        if t % every == 0
        else None
        for t in range(2000)
    ]
    values, validity = stream(samplings)
    phase = np.arange(len(values)) % 4
    for k, name in enumerate(NAMES):
        if (validity[20:, k] != Validity.VALID).any():
            continue
        rows = values[20:, k]
        share = sum(
            (phase[20:] == p).mean() * (rows[phase[20:] == p].mean() - rows.mean()) ** 2
            for p in range(4)
        )
        assert share / rows.var() < 0.1, name


def test_the_document_is_made_from_the_definitions() -> None:
    path = Path(__file__).parents[3] / "docs" / "SIGNALS.md"
    assert path.read_text(encoding="utf-8") == document(), COMMAND
