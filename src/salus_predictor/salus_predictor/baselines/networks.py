"""Baselines that train a small network on successful steps alone.

- RND, random network distillation (Burda et al., arXiv 1810.12894): a network learns what a fixed
  random one says of successful rows; the score is its squared error.
- logpZO (Xu et al., FAIL-Detect, arXiv 2503.08558): a flow v from rows to noise, trained by flow
  matching; the score is |x + v(x, 0)|^2, the squared length of the noise the row would come from.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from salus_predictor.baselines.base import FitScore, Score, ScoreRecipe, success_rows
from salus_predictor.baselines.views import SUFFIXES, Source, View
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

HIDDEN: Final = 128
FEATURES: Final = 32
STEPS: Final = 1500
BATCH: Final = 256
LEARNING_RATE: Final = 1e-3


def network(inputs: int, outputs: int, hidden: int = HIDDEN) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def distillation_error(student: nn.Module, target: nn.Module, rows: Tensor) -> Tensor:
    """(n,) mean squared difference of what both say of rows (n, M)."""
    return ((student(rows) - target(rows)) ** 2).mean(dim=1)


def distillation(source: Source) -> FitScore:
    """Random network distillation."""

    def fit(train: StepData, seed: int) -> Score:
        view = View.fit(train, source)
        rows = torch.from_numpy(view(train)[success_rows(train)])
        torch.manual_seed(seed)
        target, student = (network(rows.shape[1], FEATURES) for _ in range(2))
        target.requires_grad_(False)
        error = partial(distillation_error, student, target)
        train_on(rows, student, error)
        return _scores(view, error)

    return fit


def flow_loss(velocity: nn.Module, rows: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """(n,) flow matching on the straight way from rows (n, M), at time 0, to noise, at time 1."""
    there = rows + time * (noise - rows)
    guess = velocity(torch.cat([there, time], dim=1))
    return ((guess - (noise - rows)) ** 2).mean(dim=1)


def noise_length(velocity: nn.Module, rows: Tensor) -> Tensor:
    """(n,) |x + v(x, 0)|^2 of rows (n, M)."""
    start = torch.zeros(len(rows), 1)
    return ((rows + velocity(torch.cat([rows, start], dim=1))) ** 2).sum(dim=1)


def flow_to_noise(source: Source) -> FitScore:
    """The squared length of the noise that a flow carries a row to."""

    def fit(train: StepData, seed: int) -> Score:
        view = View.fit(train, source)
        rows = torch.from_numpy(view(train)[success_rows(train)])
        torch.manual_seed(seed)
        velocity = network(rows.shape[1] + 1, rows.shape[1])

        def loss(batch: Tensor) -> Tensor:
            return flow_loss(velocity, batch, torch.randn_like(batch), torch.rand(len(batch), 1))

        train_on(rows, velocity, loss)
        return _scores(view, partial(noise_length, velocity))

    return fit


def train_on(rows: Tensor, module: nn.Module, loss: Callable[[Tensor], Tensor]) -> None:
    """Adam on random batches of rows for a fixed number of steps."""
    optimiser = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE)
    for _ in range(STEPS):
        batch = rows[torch.randint(len(rows), (min(BATCH, len(rows)),))]
        optimiser.zero_grad()
        loss(batch).mean().backward()
        optimiser.step()


def _scores(view: View, of_rows: Callable[[Tensor], Tensor]) -> Score:
    def score(data: StepData) -> Array:
        with torch.inference_mode():
            pieces = torch.from_numpy(view(data)).split(8192)
            return np.concatenate([of_rows(piece).numpy() for piece in pieces]).astype(np.float64)

    return score


def network_recipes() -> list[ScoreRecipe]:
    """On embeddings under the published names, on signals with `_signals` added."""
    return [
        ScoreRecipe(name + suffix, fit(source), learnt=True)
        for source, suffix in SUFFIXES.items()
        for name, fit in (("rnd", distillation), ("logpzo", flow_to_noise))
    ]
