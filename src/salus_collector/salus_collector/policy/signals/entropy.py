"""Entropy of the actions that a policy samples."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CELL: Final = 0.1
"""Width of a cell, in half ranges of a component."""


def chunk_entropy(samples: Array) -> float:
    """Action-chunk entropy (ACE): mean over steps and components of the entropy of the samples.

    Each component is cut into cells of width `CELL`; the entropy of the shares p of the N samples
    in the cells is -Σ p ln p. After Römer et al. 2025, "Failure Prediction at Runtime for
    Generative Robot Policies" (https://arxiv.org/abs/2510.09459), per component instead of jointly,
    since few samples leave joint cells with one sample each.

    Args:
        samples: (N, T, D).

    Returns:
        0 (all in one cell everywhere) to ln N [nat].
    """
    cells = np.floor(samples / CELL).astype(np.int64)
    # -Σ p ln p over cells is the mean over samples of -ln of the share of the sample's own cell.
    share = (cells[:, None] == cells[None]).mean(axis=1)
    return float(-np.log(share).mean())
