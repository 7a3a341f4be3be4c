"""ActProbe (arXiv 2606.08508), re-implemented from the paper's and its repository's description.

An LSTM reads action norm, chunk MSE and elapsed steps / 100; the instruction sets its first state;
a small network beside a skip connection gives the probability of failure at every step, trained
with the episode's ending as the target of all its steps. The score of a prefix is its maximum.
One thing differs: the paper embeds the instruction with a language model of 0.6 G parameters; here
it is a hashed bag of its words, since the data comes without the embeddings.
"""

import copy
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer
from torch import nn

from salus_predictor.studies.pi0_libero.episodes import Episodes
from salus_predictor.studies.pi0_libero.scores import pooled_auc

SIGNALS: Final = ("action_norm", "chunk_mse")
WORDS: Final = 128
BOTTLENECK, HIDDEN, DROPOUT = 16, 32, 0.4
BATCH, LEARNING_RATE, WEIGHT_DECAY = 64, 1e-3, 1e-4
EPOCHS, PATIENCE, CHECK_EVERY = 400, 50, 5
VALIDATION_SHARE: Final = 0.25
"""Of the time limit: early stopping looks at the AUC of the maximum up to there."""


class ActProbe(nn.Module):
    """The network; the probability of failure after every step."""

    def __init__(self) -> None:
        super().__init__()
        width = len(SIGNALS) + 1
        self.instruction = nn.Sequential(nn.Linear(WORDS, BOTTLENECK), nn.ReLU())
        self.hidden = nn.Linear(BOTTLENECK, HIDDEN)
        self.cell = nn.Linear(BOTTLENECK, HIDDEN)
        self.lstm = nn.LSTM(width, HIDDEN, batch_first=True)
        self.drop = nn.Dropout(DROPOUT)
        self.head = nn.Sequential(
            nn.Linear(HIDDEN + width, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1)
        )

    def forward(self, steps: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Logits (B, T) of steps (B, T, 3) and instructions (B, WORDS)."""
        z = self.instruction(words)
        first = (self.hidden(z)[None].contiguous(), self.cell(z)[None].contiguous())
        out, _ = self.lstm(steps, first)
        logits: torch.Tensor = self.head(torch.cat([self.drop(out), steps], dim=-1))[..., 0]
        return logits


def actprobe_scores(
    episodes: Episodes,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    test: NDArray[np.int64],
    *,
    seed: int,
) -> list[NDArray[np.float64]]:
    """Train on one split; the probability of failure after every step of each test episode."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    steps, mask, words = _tensors(episodes, train)
    target = torch.from_numpy(episodes.failed.astype(np.float32))
    limit = np.array(
        [max(len(x) for x in _of_task(episodes, k)) for k in range(len(episodes.tasks))]
    )
    cut = np.ceil(VALIDATION_SHARE * limit[episodes.task]).astype(int)
    model = ActProbe()
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=EPOCHS)
    best, kept, waited = 0.0, copy.deepcopy(model.state_dict()), 0
    for epoch in range(1, EPOCHS + 1):
        model.train()
        order = generator.permutation(train)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            loss = (
                nn.functional.binary_cross_entropy_with_logits(
                    model(steps[batch], words[batch]),
                    target[batch][:, None].expand(-1, steps.shape[1]),
                    weight=mask[batch],
                    reduction="sum",
                )
                / mask[batch].sum()
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        schedule.step()
        if epoch % CHECK_EVERY:
            continue
        scores = _predict(model, steps, words, validation)
        peaks = np.array([s[: cut[e]].max() for s, e in zip(scores, validation, strict=True)])
        auc = pooled_auc(peaks, episodes.failed[validation])
        if auc > best + 1e-4:
            best, kept, waited = auc, copy.deepcopy(model.state_dict()), 0
        else:
            waited += CHECK_EVERY
        if waited >= PATIENCE:
            break
    model.load_state_dict(kept)
    scores = _predict(model, steps, words, test)
    return [s[: len(episodes.signals[e])] for s, e in zip(scores, test, strict=True)]


def _of_task(episodes: Episodes, task: int) -> list[NDArray[np.float32]]:
    return [x for x, k in zip(episodes.signals, episodes.task, strict=True) if k == task]


def _tensors(
    episodes: Episodes, train: NDArray[np.int64]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    columns = [episodes.names.index(name) for name in SIGNALS]
    seen = np.concatenate([episodes.signals[e][:, columns] for e in train])
    mean, std = seen.mean(axis=0), seen.std(axis=0) + 1e-7
    longest = max(len(x) for x in episodes.signals)
    steps = np.zeros((len(episodes), longest, len(columns) + 1), np.float32)
    mask = np.zeros((len(episodes), longest), np.float32)
    for e, x in enumerate(episodes.signals):
        steps[e, : len(x), :-1] = (x[:, columns] - mean) / std
        steps[e, : len(x), -1] = np.arange(len(x)) / 100
        mask[e, : len(x)] = 1
    hashed = HashingVectorizer(n_features=WORDS, alternate_sign=False)
    words = hashed.transform(episodes.instructions).toarray().astype(np.float32)[episodes.task]
    return torch.from_numpy(steps), torch.from_numpy(mask), torch.from_numpy(words)


@torch.no_grad()
def _predict(
    model: ActProbe, steps: torch.Tensor, words: torch.Tensor, chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    model.eval()
    probability = torch.sigmoid(model(steps[chosen], words[chosen]))
    return probability.numpy().astype(np.float64)
