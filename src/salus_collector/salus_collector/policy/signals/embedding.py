"""How far a hidden state is from those of successful training episodes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EmbeddingStatistics:
    """What successful training episodes leave behind.

    Attributes:
        mean: (E,).
        whitening: (E, E) W with W Wᵀ the inverse of the (shrunk) covariance.
        neighbours: (N, E) a sample of the embeddings, whitened: (x - mean) W.
    """

    mean: Array
    whitening: Array
    neighbours: Array


def mahalanobis(embedding: Array, statistics: EmbeddingStatistics) -> float:
    """Mahalanobis distance over √E: near 1 on the data it was fitted on.

    sqrt((x - μ)ᵀ Σ⁻¹ (x - μ) / E), Σ after Ledoit and Wolf 2004 (Lee et al. 2018,
    https://arxiv.org/abs/1807.03888, use it to find inputs unlike the training data).

    Args:
        embedding: (E,).
        statistics: see `EmbeddingStatistics`.
    """
    white = (embedding - statistics.mean) @ statistics.whitening
    return float(np.sqrt((white**2).mean()))


def nearest_neighbours(embedding: Array, statistics: EmbeddingStatistics, k: int = 5) -> float:
    """Mean whitened distance over √E to the k nearest training embeddings.

    After Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors"
    (https://arxiv.org/abs/2204.06507).

    Args:
        embedding: (E,).
        statistics: see `EmbeddingStatistics`.
        k: neighbours, at most as many as there are.
    """
    white = (embedding - statistics.mean) @ statistics.whitening
    squared = ((statistics.neighbours - white) ** 2).mean(axis=1)
    k = min(k, len(squared))
    return float(np.sqrt(np.partition(squared, k - 1)[:k]).mean())
