"""Statistics of the hidden states of successful training episodes, stored with the model.

    python -m salus_collector.policy.smolvla.embedding_fit POLICY STORE...

The stores must hold episodes of the policy's training data or of its own closed loop on training
seeds, never test episodes; only the successful episodes in them are used. Their observations go
through the policy again, so a store needs no recorded embeddings.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import EpisodeStart
from salus_collector.policy.signals.embedding import EmbeddingStatistics
from salus_collector.policy.smolvla.ensemble import STATISTICS
from salus_data.errors import PolicyError, SalusError
from salus_data.types import Outcome

if TYPE_CHECKING:
    from salus_collector.policy.smolvla.policy import SmolVLA


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

    path = folder / STATISTICS
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

    path = folder / STATISTICS
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


def store_embeddings(policy: "SmolVLA", stores: Sequence[Path], every: int = 5) -> Array:
    """The hidden states that a policy has on the observations of successful episodes.

    Args:
        policy: reads its observations from the stores, without acting on them.
        stores: datasets of training episodes.
        every: steps between two observations; neighbouring ones tell little more.

    Returns:
        (N, E).

    Raises:
        PolicyError: no episode succeeded, or the policy reads a camera that a store lacks.
    """
    rows = [row for path in stores for row in _of_store(policy, path, every)]
    if not rows:
        raise PolicyError(f"no successful episode in {', '.join(map(str, stores))}")
    return np.stack(rows).astype(np.float64)


def _of_store(policy: "SmolVLA", path: Path, every: int) -> Iterator[NDArray[np.float32]]:
    from salus_data.view import StoreView

    view = StoreView(path)
    for number, record in enumerate(view.records):
        if record.outcome is not Outcome.SUCCESS:
            continue
        missing = set(policy.cameras) - set(view.contract.cameras)
        if missing:
            raise PolicyError(f"{path}: has no images of {sorted(missing)}, which the policy reads")
        names = ("state", "perceived", *(f"image_{camera}" for camera in policy.cameras))
        arrays = {name: view.read(name, number) for name in names}
        actions = view.read("action", number)
        policy.reset(EpisodeStart(record.seed, record.task, view.contract.step_period))
        for step in range(record.idle_steps, len(actions), every):
            observation = {name: rows[step] for name, rows in arrays.items()}
            yield policy.embed(observation, actions[step - 1] if step > record.idle_steps else None)


def main() -> None:
    """Fit the statistics of a policy and write them into its folder."""
    import argparse
    import sys

    from salus_collector.policy.smolvla.policy import load_smolvla

    parser = argparse.ArgumentParser(
        description="Fit the statistics behind embedding_mahalanobis and embedding_neighbours."
    )
    parser.add_argument("policy", help="folder of an ensemble or a checkpoint")
    parser.add_argument("stores", nargs="+", type=Path, help="datasets of training episodes")
    parser.add_argument("--every", type=int, default=5, help="steps between observations [5]")
    options = parser.parse_args()
    try:
        embeddings = store_embeddings(load_smolvla(options.policy), options.stores, options.every)
        path = write_statistics(Path(options.policy), fit_statistics(embeddings))
    except SalusError as error:
        print(f"embedding_fit: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{path}: from {len(embeddings)} observations of successful episodes")


if __name__ == "__main__":
    main()
