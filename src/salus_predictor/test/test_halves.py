"""Parts of a batch in two threads: the same gradient as the whole, and torch left as it was."""

import numpy as np
import pytest
import torch

from salus_predictor.model.hazards import UNKNOWN_OUTCOME
from salus_predictor.steps import StepData
from salus_predictor.training.batch import Rows
from salus_predictor.training.examples import Examples
from salus_predictor.training.fit_network import NetworkFit
from salus_predictor.training.halves import halves
from salus_predictor.training.module import feature_scale
from salus_predictor.training.options import TrainOptions


def features_of(data: StepData) -> np.ndarray:
    return np.nan_to_num(data.signals)


def test_the_gradient_of_two_halves_is_that_of_the_batch(train_data: StepData) -> None:
    examples = Examples.of(train_data, features_of(train_data))
    fit = NetworkFit(examples, examples, TrainOptions(dropout=0.0), 0)
    episodes = np.arange(min(7, len(train_data.lengths)))
    with halves() as each:
        loss = fit._gradient(episodes, each)
    found = [parameter.grad for parameter in fit.module.parameters()]
    whole = fit._rows.batch(episodes)
    at_risk, asked = (int(n[episodes].sum()) for n in (fit._rows.at_risk, fit._rows.asked))
    wanted = fit._loss(whole, fit.module.left_out(len(episodes)), at_risk, asked)
    assert loss == pytest.approx(wanted.item(), rel=1e-5)
    gradients = torch.autograd.grad(wanted, list(fit.module.parameters()))
    for mine, theirs in zip(found, gradients, strict=True):
        assert mine is not None
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-3)


def test_rows_beyond_the_end_of_an_episode_teach_nothing(train_data: StepData) -> None:
    examples = Examples.of(train_data, features_of(train_data))
    rows = Rows(examples, *feature_scale(examples.features))
    lengths = train_data.lengths
    episodes = np.array([int(lengths.argmin()), int(lengths.argmax())])
    batch = rows.batch(episodes)
    assert lengths.min() < lengths.max() == len(batch.features)
    assert (batch.outcome != UNKNOWN_OUTCOME).sum(dim=0).tolist() == rows.asked[episodes].tolist()
    assert batch.at_risk.amax(dim=0).sum(dim=0).tolist() == rows.at_risk[episodes].tolist()


def test_threads_of_torch_are_as_many_as_before_even_after_an_error() -> None:
    before = torch.get_num_threads()

    def work(part: int) -> int:
        if part == 2:
            raise ValueError("part 2")
        return torch.get_num_threads() * part

    with halves() as each:
        assert list(each(work, [3, 1, 5])) == [3, 1, 5]
        with pytest.raises(ValueError, match="part 2"):
            list(each(work, [1, 2]))
    assert torch.get_num_threads() == before
