"""Splits by episode, with as many episodes of each ending in every part."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_predictor.evaluation.evaluate import endings_of
from salus_predictor.steps import StepData


def split_episodes(
    data: StepData, shares: Sequence[float], *, seed: int = 0
) -> tuple[NDArray[np.int64], ...]:
    """Numbers of the episodes of each part, sorted; every episode is in exactly one.

    Args:
        data: E episodes.
        shares: of each part; they sum to 1.
        seed: of the draw.

    Raises:
        FormatError: a part would be empty.
    """
    random = np.random.default_rng(seed)
    part = np.empty(len(data), np.int64)
    endings = endings_of(data)
    cuts = np.cumsum(shares)[:-1]
    for ending in np.unique(endings):
        members = random.permutation(np.flatnonzero(endings == ending))
        # A random offset: else every small class would lose its remainder to the same part.
        place = (np.arange(len(members)) + random.uniform()) / len(members) % 1.0
        part[members] = np.searchsorted(cuts, place, side="right")
    parts = tuple(np.flatnonzero(part == number) for number in range(len(shares)))
    if any(len(episodes) == 0 for episodes in parts):
        raise FormatError(f"{len(data)} episodes are too few for {len(shares)} parts")
    return parts
