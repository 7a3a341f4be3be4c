"""One signal at a time: what it tells, in which direction, and on which rows."""

import numpy as np
import pytest
from scored_data import make_data, record
from sklearn.metrics import roc_auc_score

from salus_predictor.evaluation.single import Cell, single_signals
from salus_predictor.steps import StepData

LENGTH, IDLE = 60, 10
NAMES = ("warning", "mirrored", "middle", "noise", "empty")


def episodes() -> StepData:
    """Eight successes, eight collisions and two drops of one length, after an idle time."""
    kinds = [None, 0] * 8 + [1, 1]
    records = [record(i, kind, LENGTH, idle_steps=IDLE) for i, kind in enumerate(kinds)]
    bare = make_data(records, [LENGTH] * len(kinds), names=NAMES)
    random = np.random.default_rng(3)
    before = bare.labels[:, 1, 0] > 0  # a collision within 10 steps
    signals = random.normal(size=(bare.n_rows, len(NAMES)))
    signals[:, 0] += 3 * before
    signals[:, 1] = -signals[:, 0]
    signals[:, 2] = np.where(before, 0.1 * signals[:, 2], 2 * np.sign(signals[:, 2]))
    signals[:, 4] = np.nan
    signals[bare.step_of_row < IDLE, 0] = 50.0  # would be false alarms if idle rows counted
    phase = (bare.step_of_row % 4).astype(np.int16)
    return make_data(
        records, [LENGTH] * len(kinds), names=NAMES, signals=signals, chunk_phase=phase
    )


@pytest.fixture(scope="module")
def cells() -> dict[tuple[str, int, str], Cell]:
    found = single_signals(episodes(), replicates=40)
    return {(cell.signal, cell.horizon, cell.failure_type): cell for cell in found}


def test_a_warning_a_dip_and_noise_are_told_apart(
    cells: dict[tuple[str, int, str], Cell],
) -> None:
    warning, mirrored, middle, noise = (cells[n, 10, "collision"] for n in NAMES[:4])
    value = warning.as_it_is.value
    assert value is not None
    assert value > 0.95
    assert warning.as_it_is.interval is not None
    assert warning.as_it_is.interval[0] <= value <= warning.as_it_is.interval[1]
    assert mirrored.any_shape is not None
    assert mirrored.any_shape > 0.9
    assert middle.as_it_is.value == pytest.approx(0.5, abs=0.12)
    assert middle.any_shape is not None
    assert middle.any_shape > 0.9
    for figure in (noise.as_it_is.value, noise.any_shape):
        assert figure == pytest.approx(0.5, abs=0.15)


def test_figures_are_those_of_scikit_learn_on_valid_rows_after_the_idle_time(
    cells: dict[tuple[str, int, str], Cell],
) -> None:
    data = episodes()
    rows = data.valid[:, 1, 0] & (data.step_of_row >= IDLE)
    label, score = data.labels[rows, 1, 0] > 0, data.signals[rows, 0]
    cell = cells["warning", 10, "collision"]
    assert cell.as_it_is.value == pytest.approx(roc_auc_score(label, score))
    assert (cell.rows, cell.positives) == (rows.sum(), label.sum())


def test_clocks_stand_beside_the_signals(cells: dict[tuple[str, int, str], Cell]) -> None:
    names = list(dict.fromkeys(signal for signal, _, _ in cells))
    assert names == ["elapsed time", "time since milestone", "chunk phase", *NAMES[:4]]
    late = cells["elapsed time", 5, "collision"].as_it_is.value
    assert late is not None
    assert late > 0.9  # all episodes have the same length
    assert cells["chunk phase", 10, "collision"].any_shape == pytest.approx(0.5, abs=0.2)


def test_too_few_failures_have_no_cross_fitted_figure(
    cells: dict[tuple[str, int, str], Cell],
) -> None:
    drop = cells["warning", 10, "drop"]
    assert drop.any_shape is None
    assert drop.text.endswith("/ -")
    assert drop.to_json()["auroc_any_shape"] is None
