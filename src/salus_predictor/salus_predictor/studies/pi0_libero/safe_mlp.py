"""In the manner of SAFE-MLP (arXiv 2506.09937): a network on single steps, its output accumulated.

SAFE reads the policy's hidden states. They are not in this data, so this one reads the eleven step
signals; hence "SAFE-style" in every table.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from salus_predictor.studies.pi0_libero.episodes import Episodes

WIDTH, EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 256, 15, 256, 1e-3, 1e-2
NAME: Final = "SAFE-style MLP"


def safe_scores(
    episodes: Episodes, train: NDArray[np.int64], test: NDArray[np.int64], *, seed: int
) -> list[NDArray[np.float64]]:
    """The accumulated failure score (T,) of each test episode."""
    torch.manual_seed(seed)
    rows = np.concatenate([episodes.signals[e] for e in train])
    lengths = [len(episodes.signals[e]) for e in train]
    mean, std = rows.mean(axis=0), rows.std(axis=0) + 1e-7
    x = torch.from_numpy((rows - mean) / std)
    y = torch.from_numpy(np.repeat(episodes.failed[train], lengths).astype(np.float32))
    # Every episode counts alike, long or short, and so do both endings.
    failures = episodes.failed[train].mean()
    share = np.where(episodes.failed[train], 0.5 / failures, 0.5 / (1 - failures))
    weight = torch.from_numpy(
        np.repeat(share / np.array(lengths) * np.mean(lengths), lengths).astype(np.float32)
    )
    model = nn.Sequential(nn.Linear(x.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(x)), BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(
                model(x[batch])[:, 0], y[batch], weight=weight[batch]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        return [
            np.cumsum(
                torch.sigmoid(model(torch.from_numpy((episodes.signals[e] - mean) / std)))[:, 0]
                .numpy()
                .astype(np.float64)
            )
            for e in test
        ]
