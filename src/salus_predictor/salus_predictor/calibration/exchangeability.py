"""Whether successful episodes look like those of the calibration: if not, no rate is promised."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

Array = NDArray[np.float64]

LEVEL: Final = 0.01
"""Probability of calling two samples of the same episodes different."""

MIN_EPISODES: Final = 8
"""Successful episodes below which nothing can be said."""


@dataclass(frozen=True)
class Verdict:
    """What the check found.

    Attributes:
        holds: whether nothing speaks against the guarantee; None where too few episodes speak.
        p_value: of the channel that differs most, corrected for the number of channels.
        channel: that channel.
        message: one line for people.
    """

    holds: bool | None
    p_value: float
    channel: str
    message: str


def check_exchangeable(
    calibration: Array, new: Array, names: tuple[str, ...], level: float = LEVEL
) -> Verdict:
    """Compare the scores (S, channels) of calibration and of new successful episodes.

    A two-sample Kolmogorov-Smirnov test for each channel, corrected by Bonferroni.
    """
    if min(len(calibration), len(new)) < MIN_EPISODES:
        return Verdict(
            None,
            1.0,
            "",
            f"{len(new)} successful episodes against {len(calibration)} of the calibration say "
            f"nothing: {MIN_EPISODES} are needed on both sides",
        )
    p = np.array([ks_2samp(a, b).pvalue for a, b in zip(calibration.T, new.T, strict=True)])
    worst = int(np.argmin(p))
    corrected = float(min(1.0, p[worst] * len(p)))
    before, now = (float(np.median(s[:, worst])) for s in (calibration, new))
    if corrected >= level:
        message = f"{len(new)} successful episodes look like those of the calibration"
    else:
        message = (
            f"the guarantee is void: the highest risk of {names[worst]} in successful episodes has "
            f"median {now:.3g}, {before:.3g} at calibration (p = {corrected:.2g}); calibrate anew"
        )
    return Verdict(corrected >= level, corrected, names[worst], f"{message}")
