"""Baselines that learn from how episodes ended, and not when: SAFE and ActProbe.

- SAFE-MLP (Gu et al., arXiv 2506.09937): each step's embedding gives a number between 0 and 1;
  their running sum is pushed up in failed and down in successful episodes.
- SAFE-LSTM: an LSTM over embeddings, cross-entropy against the outcome at every step; failed and
  successful episodes weigh the same.
- ActProbe (arXiv 2606.08508): an LSTM over the size of the action, the change between overlapping
  chunks and the time t / 100, with a skip connection; cross-entropy at every step. The published
  one also reads an embedding of the instruction; with a single task there is none to read.

The map from score to the probability of each failure is counted on validation episodes.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from salus_data.errors import SalusError
from salus_data.types import Outcome
from salus_predictor.baselines.base import FitScore, Score, ScoreRecipe
from salus_predictor.baselines.signals import first_of
from salus_predictor.baselines.views import SUFFIXES, Source, View
from salus_predictor.evaluation.thresholds import watched_rows
from salus_predictor.steps import StepData

Array = NDArray[np.float64]

EPOCHS: Final = 40
BATCH: Final = 32
LEARNING_RATE: Final = 1e-3
WEIGHT_DECAY: Final = 1e-4
SAFE_HIDDEN: Final = 64
ACTPROBE_HIDDEN: Final = 32
ACTPROBE_DROPOUT: Final = 0.4
CLOCK_SCALE: Final = 100.0

ACTION_SIGNALS: Final = (
    ("action_magnitude", "action_norm"),
    ("stac_single", "chunk_mse", "action_change"),
)
"""The two inputs of ActProbe, under the names they may have. A policy without chunks has no change
between overlapping chunks; the change between actions stands in for it."""


class SafeMlp(nn.Module):
    """A number between 0 and 1 a step, summed."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(inputs, SAFE_HIDDEN),
            nn.ReLU(),
            nn.Linear(SAFE_HIDDEN, 1),
            nn.Sigmoid(),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """The running sum."""
        return torch.cumsum(self.net(rows).squeeze(-1), dim=1)

    def loss(self, scores: Tensor, failed: Tensor) -> Tensor:
        """What is missing to t in a failure, what is there in a success."""
        highest = torch.arange(1, scores.shape[1] + 1, dtype=scores.dtype)
        sign = failed[:, None]
        return sign * (highest - scores) + (1 - sign) * scores


class SafeLstm(nn.Module):
    """An LSTM and one linear layer."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, SAFE_HIDDEN, batch_first=True)
        self.out = nn.Linear(SAFE_HIDDEN, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """The logit of failure after every step."""
        hidden, _ = self.lstm(rows)
        return self.out(hidden).squeeze(-1)

    def loss(self, scores: Tensor, failed: Tensor) -> Tensor:
        """Cross-entropy at every step."""
        wanted = failed[:, None].expand_as(scores)
        return nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")


class ActProbe(nn.Module):
    """An LSTM, and a small network over its state and its input."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs + 1, ACTPROBE_HIDDEN, batch_first=True)
        self.drop = nn.Dropout(ACTPROBE_DROPOUT)
        self.head = nn.Sequential(
            nn.Linear(ACTPROBE_HIDDEN + inputs + 1, 16),
            nn.ReLU(),
            nn.Linear(16, 8),
            nn.ReLU(),
            nn.Linear(8, 1),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """The logit of failure after every step."""
        clock = torch.arange(rows.shape[1], dtype=rows.dtype) / CLOCK_SCALE
        timed = torch.cat([rows, clock.expand(len(rows), -1)[..., None]], dim=-1)
        hidden, _ = self.lstm(timed)
        return self.head(torch.cat([self.drop(hidden), timed], dim=-1)).squeeze(-1)

    loss = SafeLstm.loss


@dataclass(frozen=True)
class Padded:
    """Episodes side by side: rows (E, T, M), mask (E, T), failed (E,)."""

    rows: Tensor
    mask: Tensor
    failed: Tensor


def pad(data: StepData, view: View) -> Padded:
    """The watched rows of the episodes that succeeded or failed."""
    chosen = [
        e
        for e, record in enumerate(data.records)
        if record.outcome in (Outcome.SUCCESS, Outcome.FAILURE) and watched_rows(data, e) > 0
    ]
    failed = [data.records[e].outcome is Outcome.FAILURE for e in chosen]
    if not any(failed) or all(failed):
        raise SalusError("learning from outcomes needs successful and failed episodes")
    rows = view(data)
    lengths = [watched_rows(data, e) for e in chosen]
    padded = np.zeros((len(chosen), max(lengths), rows.shape[1]), np.float32)
    for i, (e, length) in enumerate(zip(chosen, lengths, strict=True)):
        padded[i, :length] = rows[data.starts[e] : data.starts[e] + length]
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    return Padded(
        torch.from_numpy(padded),
        torch.from_numpy(mask),
        torch.tensor(failed, dtype=torch.float32),
    )


def train_on(episodes: Padded, model: nn.Module, *, balance: bool) -> None:
    """AdamW over mini-batches of episodes; both endings weigh the same where `balance`."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    share = episodes.failed.mean()
    model.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(episodes.failed)).split(BATCH):
            failed, mask = episodes.failed[batch], episodes.mask[batch]
            longest = int(mask.sum(dim=1).max())
            scores = model(episodes.rows[batch, :longest])
            weight = mask[:, :longest].to(scores.dtype)
            if balance:
                weight = weight * (failed / share + (1 - failed) / (1 - share))[:, None] / 2
            loss = (model.loss(scores, failed) * weight).sum() / weight.sum()  # type: ignore[operator]
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    model.eval()


def scores_of(view: View, model: nn.Module) -> Score:
    """The score of every row, episode by episode."""

    def score(data: StepData) -> Array:
        rows = torch.from_numpy(view(data))
        with torch.inference_mode():
            pieces = [model(rows[data.rows(e)][None])[0].numpy() for e in range(len(data))]
        return np.concatenate(pieces).astype(np.float64)

    return score


def safe(kind: type[SafeMlp | SafeLstm], source: Source) -> FitScore:
    """A SAFE model on embeddings, as published, or on the step signals."""

    def fit(train: StepData, seed: int) -> Score:
        view = View.fit(train, source)
        torch.manual_seed(seed)
        model = kind(len(view.normalisation.mean))
        train_on(pad(train, view), model, balance=True)
        return scores_of(view, model)

    return fit


def fit_actprobe(train: StepData, seed: int) -> Score:
    """ActProbe on action signals."""
    names = tuple(first_of(train, group) for group in ACTION_SIGNALS)
    view = View.fit(train, "signals", names)
    torch.manual_seed(seed)
    model = ActProbe(len(names))
    train_on(pad(train, view), model, balance=False)
    return scores_of(view, model)


def episode_recipes() -> list[ScoreRecipe]:
    """SAFE on embeddings, and on signals with `_signals` added; ActProbe on action signals."""
    return [
        *(
            ScoreRecipe(name + suffix, safe(kind, source), learnt=True)
            for source, suffix in SUFFIXES.items()
            for name, kind in (("safe_mlp", SafeMlp), ("safe_lstm", SafeLstm))
        ),
        ScoreRecipe("actprobe_lstm", fit_actprobe, learnt=True),
    ]
