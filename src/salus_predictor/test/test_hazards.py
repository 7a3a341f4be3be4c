from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from learning import make_contract, make_data, step_data

from salus_data.episode import EpisodeRecord
from salus_data.types import Outcome
from salus_predictor.model.hazards import (
    FIRST_TYPE,
    NOTHING,
    SUCCESS,
    UNKNOWN_OUTCOME,
    cumulative_incidence,
    targets,
)
from salus_predictor.steps import StepData

LOGITS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(3, 7)),
    elements=st.floats(-60, 60),
)


@given(LOGITS)
def test_probabilities_grow_with_the_horizon_whatever_the_logits(logits: np.ndarray) -> None:
    probability = cumulative_incidence(logits)
    assert (probability >= 0).all()
    assert (np.diff(probability, axis=-2) >= 0).all()
    assert (probability.sum(axis=-1) <= 1 + 1e-12).all()


def test_the_formula_by_hand() -> None:
    hazards = np.array([[0.7, 0.1, 0.2], [0.5, 0.2, 0.3]])  # nothing, success, one type
    probability = cumulative_incidence(np.log(hazards))
    assert probability[:, 0] == pytest.approx([0.2, 0.2 + 0.7 * 0.3])


def oracle(data: StepData) -> np.ndarray:
    """Logits that say in every bin what the targets say."""
    wanted = targets(data)
    n_risks = FIRST_TYPE + len(data.contract.failure_types)
    return 80.0 * (wanted.risk[..., None] == np.arange(n_risks))


def test_whoever_knows_the_targets_forecasts_the_labels() -> None:
    data = make_data(24)
    probability = cumulative_incidence(oracle(data))
    assert probability[data.valid] == pytest.approx(data.labels[data.valid].astype(float))


def test_bins_after_an_event_teach_nothing() -> None:
    data = make_data(24)
    wanted = targets(data)
    assert wanted.dated
    happened = np.cumsum((wanted.risk != NOTHING) & wanted.at_risk, axis=1)
    assert not (wanted.at_risk[:, 1:] & (happened[:, :-1] > 0)).any()
    # At most one event a row, and every step of warning is used: 5, 10, 15, 20 before the onset.
    assert (happened <= 1).all()
    for number, record in enumerate(data.records):
        rows = slice(data.ends[number] - 1 - min(record.onset_step, 20), data.ends[number] - 1)
        risk = SUCCESS if record.outcome is Outcome.SUCCESS else FIRST_TYPE + record.failure_type
        assert (wanted.risk[rows].max(axis=1) == risk).all()


def one_episode(**changes: object) -> StepData:
    record = replace(
        EpisodeRecord("0-0", 0, 0, outcome=Outcome.TRUNCATED),
        **changes,  # type: ignore[arg-type]
    )
    signals = np.zeros((40, len(make_contract().signals)), np.float32)
    return step_data(make_contract(), [record], [signals])


def test_a_truncated_episode_is_at_risk_while_it_was_watched() -> None:
    wanted = targets(one_episode())
    assert wanted.at_risk[:, 0].sum() == 40 - 5
    assert wanted.at_risk[:, 3].sum() == 40 - 20
    assert (wanted.outcome == UNKNOWN_OUTCOME).all()


def test_a_failure_of_unknown_date_teaches_its_outcome_alone() -> None:
    wanted = targets(one_episode(outcome=Outcome.FAILURE, failure_type=2))
    assert not wanted.at_risk.any()
    assert (wanted.outcome == 3).all()


def test_after_an_intervention_nothing_is_known() -> None:
    wanted = targets(
        one_episode(outcome=Outcome.SUCCESS, onset_step=39, first_intervention_step=20)
    )
    assert (wanted.outcome == UNKNOWN_OUTCOME).all()
    assert not wanted.at_risk[21:].any()
