"""Boosted trees as hazards: one booster asked once for each bin.

Person-period form: a row of features with the number of its bin is one example, its label what
happened in the bin (Singer and Willett, Journal of Educational Statistics 18 (1993) 155). So the
trees share what the bins have in common, and the cumulative incidence is monotone as always. A
second booster answers the outcome. How they are stored: `trees_json.py`; how one row is answered in
a stream: `forest.py`.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_predictor.model.forest import Forest
from salus_predictor.model.trees_json import booster_of, plain

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trees:
    """Trained boosters.

    Attributes:
        hazard: features and bin to C + 2 margins; None where no label was ever valid.
        outcome: features to C + 1 margins.
        horizons: H.
        types: C.
    """

    hazard: xgboost.Booster | None
    outcome: xgboost.Booster
    horizons: int
    types: int

    @classmethod
    def from_json(cls, text: bytes, horizons: int, types: int, features: int) -> Self:
        """Read what `to_json` wrote.

        Raises:
            FormatError: it is not, or its trees do not fit features, horizons and types.
        """
        try:
            data = json.loads(text)
            hazard = data["hazard"]
            return cls(
                None if hazard is None else booster_of(hazard, features + 1, types + 2),
                booster_of(data["outcome"], features, types + 1),
                horizons,
                types,
            )
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise FormatError(f"not boosted trees: {type(error).__name__}: {error}") from error

    def to_json(self) -> bytes:
        """Both boosters in one object."""
        return json.dumps(
            {
                "hazard": None if self.hazard is None else plain(self.hazard),
                "outcome": plain(self.outcome),
            },
            separators=(",", ":"),
        ).encode()

    def start(self, batch: int) -> "TreesState":
        """Trees carry no state: what they remember is in the features."""
        del batch
        return TreesState(self, self.forest)

    def logits(self, features: NDArray[np.float32], ends: NDArray[np.int64]) -> tuple[Array, Array]:
        """Hazard logits (N, H, C + 2) and outcome logits (N, C + 1)."""
        del ends
        n = len(features)
        outcome = _margins(self.outcome, features)
        if self.hazard is None:
            return np.zeros((n, self.horizons, self.types + 2)), outcome
        hazards = _margins(self.hazard, person_period(features, self.horizons))
        return hazards.reshape(n, self.horizons, -1), outcome

    @cached_property
    def forest(self) -> Forest | None:
        """Both boosters for one row at a time; None where a tree has too many leaves for that."""
        boosters = [(plain(self.outcome), 0)]
        if self.hazard is not None:
            boosters.append((plain(self.hazard), self.horizons))
        try:
            return Forest(*boosters)
        except ValueError:
            return None


@dataclass(frozen=True)
class TreesState:
    """Nothing that changes, in the form that a recurrent model has it."""

    trees: Trees
    forest: Forest | None

    def keep(self, batch: int) -> None:
        """Nothing to do."""

    def step(self, features: NDArray[np.float32]) -> tuple[Array, Array]:
        """Logits (B, H, C + 2) and (B, C + 1) of features (B, F)."""
        trees = self.trees
        if self.forest is None:
            return trees.logits(features, np.empty(0, np.int64))
        if len(features) > 1:
            rows = [self.step(row[None]) for row in features]
            return np.concatenate([h for h, _ in rows]), np.concatenate([o for _, o in rows])
        outcome, *hazard = self.forest.margins(features[0])
        if not hazard:
            return np.zeros((1, trees.horizons, trees.types + 2)), outcome
        return hazard[0][None], outcome


def person_period(features: NDArray[np.float32], horizons: int) -> NDArray[np.float32]:
    """Every row (N, F) once for each bin, with the number of the bin behind it: (N H, F + 1)."""
    rows = np.repeat(features, horizons, axis=0)
    bins = np.tile(np.arange(horizons, dtype=np.float32), len(features))
    return np.concatenate([rows, bins[:, None]], axis=1)


def _margins(booster: xgboost.Booster, features: NDArray[np.float32]) -> Array:
    margins = booster.inplace_predict(np.ascontiguousarray(features), predict_type="margin")
    result: Array = np.asarray(margins, np.float64).reshape(len(features), -1)
    return result
