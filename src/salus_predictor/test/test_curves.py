"""Pictures of the steps: a panel for each type, also for one that does not occur."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from scored_data import make_data, random_data, random_forecasts, record

from salus_predictor.evaluation.evaluate import Evaluation, Settings, evaluate
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.report.curves import calibration_bins, precision_recall, reliability, roc
from salus_predictor.steps import StepData


def evaluated(data: StepData) -> Evaluation:
    forecasts = random_forecasts(data, 0)
    thresholds = Thresholds.choose(data, forecasts, far=0.2)
    return evaluate("random", data, forecasts, thresholds, Settings(replicates=20))


@pytest.mark.parametrize("draw", [precision_recall, roc, reliability])
def test_types_that_do_not_occur_say_so(draw: Callable[[StepData, Evaluation], str]) -> None:
    data = random_data(3, 24)
    picture = draw(data, evaluated(data))
    assert picture.count("does not occur") == 0
    alone = make_data([record(0, 0, 40), record(1, None, 40), record(2, None, 45)], [40, 40, 45])
    picture = draw(alone, evaluated(alone))
    assert picture.count("does not occur") == 1
    for name in ("collision", "drop"):
        assert re.search(rf">\s*{name}\s*<", picture), name


def test_bins_of_equal_width_by_counting() -> None:
    random = np.random.default_rng(0)
    score = random.uniform(0, 0.6, 500)
    label = random.uniform(size=500) < score
    predicted, observed, count = calibration_bins(label, score)
    for k, (p, o, n) in enumerate(zip(predicted, observed, count, strict=True)):
        inside = (score >= k / 10) & (score < (k + 1) / 10)
        assert (p, o) == pytest.approx((score[inside].mean(), label[inside].mean()))
        assert n == inside.sum()
    assert len(count) == 6
