"""Is the false-alarm rate the promised one?

Calibrate on one half of the successes, count on the other, again and again; the model stays.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_predictor.calibration.conformal import conformal_threshold

Array = NDArray[np.float64]

ALPHAS: Final = (0.05, 0.1, 0.2)
RESPLITS: Final = 40
FEWEST: Final = 20
"""Successful episodes below which halves say nothing."""


def resplit_rates(
    scores: Array, *, alphas: tuple[float, ...] = ALPHAS, resplits: int = RESPLITS, seed: int = 0
) -> dict[str, Any]:
    """Realised rates of alarms of any type, by nominal rate and kind of alarm.

    Args:
        scores: (S, C + 1) highest risks of S successful episodes that the model has not seen, of
            every type and of any failure.
        alphas: nominal rates.
        resplits: how often the halves are drawn.
        seed: of the draws.

    Returns:
        nominal rate -> `any`, an alarm on the risk of any failure; `types`, alarms on every type,
        each at its share of the rate; `chance`, an ideal score on as many episodes. Each with
        `mean` of the realised rates, `gap`, |mean - nominal|, and `mean_gap`, the mean of
        |realised - nominal| over the single halves.

    Raises:
        FormatError: there are too few episodes.
    """
    n, n_types = len(scores), scores.shape[1] - 1
    if n < FEWEST:
        raise FormatError(f"{n} successful episodes are too few to halve; {FEWEST} are needed")
    random = np.random.default_rng(seed)
    ideal = random.uniform(size=n)
    halves = [np.array_split(random.permutation(n), 2) for _ in range(resplits)]
    found: dict[str, Any] = {}
    for alpha in alphas:
        realised: dict[str, list[float]] = {"any": [], "types": [], "chance": []}
        for first, second in halves:
            types = np.array(
                [conformal_threshold(scores[first, c], alpha / n_types) for c in range(n_types)]
            )
            realised["any"].append(_share(scores[:, -1], first, second, alpha))
            realised["types"].append(float((scores[second, :-1] > types).any(axis=1).mean()))
            realised["chance"].append(_share(ideal, first, second, alpha))
        found[f"{alpha:g}"] = {name: _summary(rates, alpha) for name, rates in realised.items()}
    return {"episodes": n, "resplits": resplits, "rates": found}


def _share(
    score: Array, first: NDArray[np.int64], second: NDArray[np.int64], alpha: float
) -> float:
    return float((score[second] > conformal_threshold(score[first], alpha)).mean())


def _summary(rates: list[float], alpha: float) -> dict[str, float]:
    values = np.array(rates)
    return {
        "mean": float(values.mean()),
        "gap": float(abs(values.mean() - alpha)),
        "mean_gap": float(np.abs(values - alpha).mean()),
        "lowest": float(values.min()),
        "highest": float(values.max()),
    }
