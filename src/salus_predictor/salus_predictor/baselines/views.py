"""What a baseline that is no single signal sees of a step: an embedding, or all signals."""

from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from salus_predictor.baselines.base import MissingInputError
from salus_predictor.model.inputs import about_objects
from salus_predictor.model.normalise import Normalisation
from salus_predictor.steps import StepData

Rows = NDArray[np.float32]
Source = Literal["embedding", "signals"]

SUFFIXES: Final[dict[Source, str]] = {"embedding": "", "signals": "_signals"}
"""What the name of a baseline ends with, by what it sees."""


@dataclass(frozen=True)
class View:
    """Normalised rows, missing values at the training mean.

    Attributes:
        names: of the signals; empty for embeddings.
        normalisation: of the columns.
    """

    names: tuple[str, ...]
    normalisation: Normalisation

    @classmethod
    def fit(cls, data: StepData, source: Source, names: tuple[str, ...] | None = None) -> Self:
        """Look at the embedding, or at `names` (all signals without those about objects).

        Raises:
            MissingInputError: the data lacks them.
        """
        if source == "embedding":
            if data.embedding is None:
                raise MissingInputError("embedding")
            return cls((), Normalisation.fit(data.embedding.astype(np.float32)))
        chosen = names or tuple(n for n in data.signal_names if not about_objects(n))
        if not chosen:
            raise MissingInputError("signals")
        return cls(chosen, Normalisation.fit(_columns(data, chosen)))

    def __call__(self, data: StepData) -> Rows:
        """(N, M) float32, finite."""
        if self.names:
            raw = _columns(data, self.names)
        elif data.embedding is None:
            raise MissingInputError("embedding")
        else:
            raw = data.embedding.astype(np.float64)
        return np.nan_to_num(self.normalisation.apply(raw)).astype(np.float32)


def _columns(data: StepData, names: tuple[str, ...]) -> NDArray[np.float64]:
    return data.signals[:, [data.signal_names.index(n) for n in names]].astype(np.float64)
