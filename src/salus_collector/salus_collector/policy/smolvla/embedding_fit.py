"""Statistics of the hidden states of successful training episodes, stored with the model."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.signals.embedding import EmbeddingStatistics
from salus_data.errors import PolicyError

FILE: Final = "embedding_stats.safetensors"

MOST_NEIGHBOURS: Final = 512
"""Embeddings kept for the neighbours: a search through them costs well under a millisecond."""

Array = NDArray[np.float64]


def fit_statistics(embeddings: Array, seed: int = 0) -> EmbeddingStatistics:
    """Mean, whitening from the shrunk covariance, and a random sample of the embeddings.

    Args:
        embeddings: (N, E) of steps of successful training episodes, N of 2 or more.
        seed: of the choice of neighbours.

    Raises:
        PolicyError: there are too few, or some are not finite.
    """
    from sklearn.covariance import LedoitWolf

    if embeddings.ndim != 2 or len(embeddings) < 2 or not np.isfinite(embeddings).all():
        raise PolicyError(
            f"embeddings of shape {embeddings.shape}: give two finite rows or more, (N, E)"
        )
    fitted = LedoitWolf().fit(embeddings)
    values, vectors = np.linalg.eigh(fitted.covariance_)
    # A component that never varies says nothing about a new one that does: cap its weight.
    values = np.maximum(values, values.max() * 1e-8)
    whitening = vectors / np.sqrt(values)
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(embeddings))[:MOST_NEIGHBOURS]
    mean = fitted.location_
    return EmbeddingStatistics(mean, whitening, (embeddings[chosen] - mean) @ whitening)


def write_statistics(folder: Path, statistics: EmbeddingStatistics) -> Path:
    """Write the statistics into the folder of a policy; returns the file."""
    from safetensors.numpy import save_file

    path = folder / FILE
    save_file(
        {
            name: np.ascontiguousarray(getattr(statistics, name), dtype=np.float32)
            for name in ("mean", "whitening", "neighbours")
        },
        path,
    )
    return path


def read_statistics(folder: Path) -> EmbeddingStatistics | None:
    """The statistics of a policy's folder; None where it has none.

    Raises:
        PolicyError: the file is not what it should be.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / FILE
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        parts = [tensors[n].astype(np.float64) for n in ("mean", "whitening", "neighbours")]
    except (SafetensorError, OSError, KeyError) as error:
        raise PolicyError(f"{path}: not embedding statistics: {error}") from error
    mean, whitening, neighbours = parts
    size = mean.shape[0] if mean.ndim == 1 else -1
    if whitening.shape != (size, size) or neighbours.shape[1:] != (size,):
        raise PolicyError(
            f"{path}: mean {mean.shape}, whitening {whitening.shape} and neighbours "
            f"{neighbours.shape} do not fit each other"
        )
    return EmbeddingStatistics(mean, whitening, neighbours)
