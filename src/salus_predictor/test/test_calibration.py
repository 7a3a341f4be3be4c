import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from salus_data.errors import FormatError
from salus_predictor.calibration.adaptive import AdaptiveThreshold
from salus_predictor.calibration.bands import Band
from salus_predictor.calibration.calibrate import choose_thresholds
from salus_predictor.calibration.conformal import conformal_threshold, smallest_rate
from salus_predictor.calibration.exchangeability import check_exchangeable
from salus_predictor.calibration.fit_scaling import fit_hazard_scaling
from salus_predictor.calibration.thresholds import best_f1
from salus_predictor.model.hazards import Targets, log_softmax
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.steps import StepData


@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_the_threshold_is_the_exact_order_statistic(n: int, alpha: float) -> None:
    scores = np.random.default_rng(n).permutation(np.arange(1, n + 1.0))
    threshold = conformal_threshold(scores, alpha)
    # Of n + 1 exchangeable scores the new one is above the k-th smallest of the others with
    # probability 1 - k / (n + 1): k is the least that keeps the promise, if there is one.
    kept = [k for k in range(1, n + 1) if 1 - k / (n + 1) <= alpha + 1e-9]
    assert threshold == (kept[0] if kept else np.inf)
    assert (threshold == np.inf) == (smallest_rate(n) > alpha + 1e-9)


def test_too_few_episodes_promise_nothing() -> None:
    assert conformal_threshold(np.arange(8.0), 0.1) == np.inf
    assert conformal_threshold(np.arange(9.0), 0.1) == 8
    assert conformal_threshold(np.empty(0), 0.5) == np.inf
    with pytest.raises(FormatError, match="rate"):
        conformal_threshold(np.arange(9.0), 0)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("n", [30, 150])
def test_realised_false_alarms_are_as_stated(alpha: float, n: int) -> None:
    random = np.random.default_rng(int(1000 * alpha) + n)
    rates = []
    for _ in range(400):
        scores = random.gamma(2.0, size=n + 200)
        rates.append((scores[n:] > conformal_threshold(scores[:n], alpha)).mean())
    assert np.mean(rates) <= alpha + 0.01
    assert np.mean(rates) >= alpha - 1 / (n + 1) - 0.01


def risks_of(random: np.random.Generator, count: int) -> list[np.ndarray]:
    """Episodes whose usual risk rises, of various lengths."""
    episodes = []
    for _ in range(count):
        length = int(random.integers(20, 60))
        usual = 0.1 + 0.3 * (np.arange(length) / 60)[:, None]
        episodes.append(usual + random.normal(scale=0.05, size=(length, 2)))
    return episodes


def test_a_band_keeps_its_rate_and_follows_the_usual_risk() -> None:
    random = np.random.default_rng(7)
    rates = []
    for _ in range(60):
        band = Band.fit(risks_of(random, 120), 2)
        threshold = band.threshold(0.1, 60)
        new = risks_of(random, 60)
        rates.append(np.mean([(r > threshold[: len(r)]).any(axis=0) for r in new]))
    assert np.mean(rates) == pytest.approx(0.1, abs=0.03)
    assert threshold[45, 0] > threshold[5, 0] + 0.1
    assert (threshold[59] == threshold[-1]).all()


def test_a_band_of_few_episodes_is_infinite() -> None:
    band = Band.fit(risks_of(np.random.default_rng(1), 4), 2)
    assert (band.threshold(0.1, 5) == np.inf).all()


def test_an_adaptive_threshold_returns_to_its_rate_after_a_shift() -> None:
    random = np.random.default_rng(3)
    adaptive = AdaptiveThreshold(random.normal(size=100), alpha=0.1, gamma=0.05)
    still = conformal_threshold(adaptive.scores, 0.1)
    shifted = random.normal(loc=1.0, size=2000)
    alarms = [adaptive.update(score) for score in shifted]
    assert (shifted > still).mean() > 0.3
    # The bound of Gibbs and Candes holds for any sequence whatever.
    assert abs(np.mean(alarms) - 0.1) <= (0.9 + 0.05) / (0.05 * len(alarms))


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_the_adaptive_bound_holds_for_any_sequence(high: list[bool]) -> None:
    adaptive = AdaptiveThreshold(np.linspace(0, 1, 50), alpha=0.2, gamma=0.1)
    alarms = [adaptive.update(2.0 if one else -1.0) for one in high]
    assert abs(np.mean(alarms) - 0.2) <= (0.8 + 0.1) / (0.1 * len(alarms)) + 1e-9


def test_exchangeability() -> None:
    random = np.random.default_rng(5)
    names = ("drop", "any")
    same = [
        check_exchangeable(random.normal(size=(100, 2)), random.normal(size=(60, 2)), names).holds
        for _ in range(100)
    ]
    assert sum(holds is False for holds in same) <= 4
    moved = random.normal(size=(60, 2)) + np.array([0, 1.0])
    verdict = check_exchangeable(random.normal(size=(100, 2)), moved, names)
    assert verdict.holds is False
    assert "void" in verdict.message
    assert verdict.channel == "any"
    assert check_exchangeable(moved, moved[:3], names).holds is None


@given(st.integers(0, 1000), st.integers(2, 60))
@settings(max_examples=40)
def test_the_best_f1_is_found(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    score = np.round(random.uniform(size=n), 1)
    label = random.uniform(size=n) < score
    label[0] = True
    threshold, f1 = best_f1(label, score)
    assert f1 == pytest.approx(f1_score(label, score >= threshold))
    every = [f1_score(label, score >= level) for level in np.unique(score)]
    assert f1 == pytest.approx(max(every))


def test_scaling_undoes_overconfidence() -> None:
    random = np.random.default_rng(2)
    true = random.normal(size=(4000, 1, 3)) * 1.5
    true[..., 0] += 1
    chosen = (true + random.gumbel(size=true.shape)).argmax(axis=-1)
    said = 3.0 * true + [0.0, 1.0, -1.0]
    wanted = Targets(chosen, np.ones(chosen.shape, bool), np.zeros(len(chosen), np.int64))
    scaling = fit_hazard_scaling(said, wanted)
    assert scaling.slope == pytest.approx(1 / 3, abs=0.03)

    def loss(logits: np.ndarray) -> float:
        rows = np.arange(len(chosen))
        return -float(log_softmax(logits)[rows, 0, chosen[:, 0]].mean())

    assert loss(scaling(said)) == pytest.approx(loss(true), abs=0.01)


def test_thresholds_of_a_predictor(fitted: HazardPredictor, held_data: StepData) -> None:
    calibration = choose_thresholds(fitted, held_data, 0.25)
    probability = fitted.predict(held_data).probability
    successes = [e for e, r in enumerate(held_data.records) if r.failure_type < 0]
    alarmed = [
        bool((probability[held_data.rows(e), -1] > calibration.alarm()).any()) for e in successes
    ]
    assert np.mean(alarmed) <= 0.25
    assert (calibration.alarm(0.01) == np.inf).all()
    assert calibration.alarm_any() < np.inf
    assert calibration.f1.shape == (4, 4)
    assert calibration.policies == (("synthetic", "abc"),)
