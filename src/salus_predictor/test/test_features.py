import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_predictor.model.features import STATISTICS, WINDOWS, Memory, extract, feature_names
from salus_predictor.model.normalise import BOUND, Normalisation


def episode(length: int, seed: int, missing: float = 0.2) -> np.ndarray:
    random = np.random.default_rng(seed)
    signals = random.normal(size=(length, 3)).cumsum(axis=0)
    signals[random.uniform(size=signals.shape) < missing] = np.nan
    return signals


def plain(size: int) -> Normalisation:
    return Normalisation(np.zeros(size), np.ones(size) * 3.0)


def column(features: np.ndarray, statistic: str, signal: int = 0) -> np.ndarray:
    return features[:, signal * len(STATISTICS) + STATISTICS.index(statistic)]


def stream(signals: np.ndarray) -> np.ndarray:
    memory = Memory(plain(signals.shape[1]))
    return np.concatenate([memory.update(row[None]) for row in signals])


@given(st.integers(1, 130), st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.97]))
def test_windows_are_what_numpy_says_of_the_last_steps(
    length: int, seed: int, missing: float
) -> None:
    signals = episode(length, seed, missing)
    features = stream(signals)
    values = np.clip(signals[:, 0] / 3.0, -BOUND, BOUND)
    t = length - 1
    for window in WINDOWS:
        last = values[max(0, t - window + 1) : t + 1]
        last = last[np.isfinite(last)]
        wanted = [last.mean(), last.std(), last.min(), last.max()] if len(last) else [0.0] * 4
        for name, value in zip(("mean", "std", "min", "max"), wanted, strict=True):
            assert column(features, f"{name}{window}")[t] == pytest.approx(value, abs=2e-4)
    assert column(features, "known")[t] == np.isfinite(values[t])


def test_drift_compares_a_window_with_an_earlier_one() -> None:
    features = stream(np.arange(70.0)[:, None] * 0.3)  # 0.1 a step, normalised
    for window in (10, 20, 30):
        assert column(features, f"drift{window}")[69] == pytest.approx(0.1 * window)
    assert column(features, "change5")[69] == pytest.approx(0.5)


@given(st.lists(st.integers(1, 80), min_size=1, max_size=6), st.integers(0, 100))
@settings(max_examples=25)
def test_a_batch_of_episodes_is_many_streams(lengths: list[int], seed: int) -> None:
    episodes = [episode(n, seed + k) for k, n in enumerate(lengths)]
    signals = np.concatenate(episodes).astype(np.float32)
    ends = np.cumsum(lengths)
    batch = extract(signals, ends, plain(3))
    assert np.isfinite(batch).all()
    for k, end in enumerate(ends):
        own = stream(signals[end - lengths[k] : end].astype(np.float64))
        assert batch[end - lengths[k] : end] == pytest.approx(own, abs=1e-6)


def test_the_future_has_no_effect() -> None:
    signals = episode(90, 3)
    changed = signals.copy()
    changed[50:] += 7
    assert (stream(signals)[:50] == stream(changed)[:50]).all()


def test_reset_forgets() -> None:
    signals = episode(40, 4)
    memory = Memory(plain(3))
    for row in episode(77, 5):
        memory.update(row[None])
    memory.reset()
    again = np.concatenate([memory.update(row[None]) for row in signals])
    assert (again == stream(signals)).all()


def test_every_feature_has_a_name() -> None:
    names = feature_names(("a", "b"))
    assert len(names) == 2 * len(STATISTICS)
    assert names[0] == "a.value"
    assert names[len(STATISTICS)] == "b.value"


def test_normalisation_leaves_out_what_is_missing_and_constant() -> None:
    values = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [np.nan, 5.0, np.nan]])
    found = Normalisation.fit(values)
    assert found.mean == pytest.approx([2.0, 5.0, 0.0])
    assert found.scale == pytest.approx([1.0, 1.0, 1.0])
    applied = found.apply(np.array([1e9, np.inf, -np.inf]))
    assert applied[0] == BOUND
    assert np.isnan(applied[1:]).all()
