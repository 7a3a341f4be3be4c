"""The policy's hidden state in few numbers: its leading principal components, whitened.

Jolliffe, "Principal component analysis", 2002. They stand beside the signals and go through the
same running memory. A policy's hidden state has hundreds of numbers that move together; a model
that read each of them, with its history, would have to learn that from a few hundred failures.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError

COMPONENTS: Final = 16
"""Numbers that are kept of an embedding."""

FIT_ROWS: Final = 50_000
"""Rows that the components are taken from, at most."""

_NO_SPREAD: Final = 1e-6  # share of the largest spread below which a direction is rounding


@dataclass(frozen=True)
class Projection:
    """From (M,) numbers to P.

    Attributes:
        mean: (M,) of the training rows.
        directions: (M, P), each over the standard deviation along it: what comes out has mean 0
            and standard deviation 1.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    @classmethod
    def fit(cls, embedding: NDArray[np.float16], seed: int) -> Self:
        """Of (N, M) hidden states, rows that are not finite left out.

        Args:
            embedding: of the training episodes.
            seed: of the rows that are drawn where there are more than FIT_ROWS.

        Raises:
            FormatError: the embedding is the same at all steps, or nowhere finite.
        """
        rows = np.flatnonzero(np.isfinite(embedding).all(axis=1))
        if len(rows) > FIT_ROWS:
            rows = np.sort(np.random.default_rng([seed, 0xE3B]).permutation(rows)[:FIT_ROWS])
        values = embedding[rows].astype(np.float64)
        if len(values) < 2:
            raise FormatError(f"the embedding has {len(values)} finite rows, needs 2 or more")
        # A robot runs what was fitted, and needs no scikit-learn for it.
        from sklearn.decomposition import PCA

        most = min(COMPONENTS, len(values) - 1, values.shape[1])
        if (values == values[0]).all():
            raise FormatError("the embedding is the same at all training steps")
        found = PCA(most, svd_solver="covariance_eigh").fit(values)
        spread = found.explained_variance_
        kept = spread > _NO_SPREAD * spread[0]
        directions = found.components_[kept] / np.sqrt(spread[kept])[:, None]
        return cls(found.mean_.astype(np.float32), directions.T.astype(np.float32))

    @classmethod
    def of(cls, tensors: dict[str, NDArray[Any]]) -> Self:
        """Check tensors that were read and take them.

        Raises:
            FormatError: one is missing, superfluous, not finite or of the wrong shape.
        """
        if set(tensors) != {"mean", "directions"}:
            raise FormatError(f"it holds {sorted(tensors)}, not directions and mean")
        mean, directions = tensors["mean"], tensors["directions"]
        if mean.ndim != 1 or directions.ndim != 2 or len(directions) != len(mean):
            raise FormatError(
                f"mean has shape {mean.shape}, directions {directions.shape}; (M,) and (M, P) fit"
            )
        if not directions.size or not all(np.isfinite(a).all() for a in (mean, directions)):
            raise FormatError("it has no numbers, or some that are not finite")
        return cls(mean.astype(np.float32), directions.astype(np.float32))

    @property
    def size(self) -> int:
        """Width M of the embedding."""
        return len(self.mean)

    @property
    def components(self) -> int:
        """How many numbers P come out."""
        return int(self.directions.shape[1])

    def __call__(self, embedding: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, P) of (N, M); a row that is not finite gives NaN.

        Stores keep float16: what is learnt from them is run on the same numbers.
        """
        values = embedding.astype(np.float16).astype(np.float32)
        known = np.isfinite(values).all(axis=1)
        projected: NDArray[np.float32] = np.full((len(values), self.components), np.nan, np.float32)
        # Row by row the same sum as in a batch, to the last bit.
        projected[known] = np.einsum("nm,mp->np", values[known] - self.mean, self.directions)
        return projected
