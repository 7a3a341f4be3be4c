"""What is minimised: the likelihood of what happened, where it is known."""

import torch
from torch import Tensor
from torch.nn import functional

from salus_predictor.model.hazards import FIRST_TYPE, UNKNOWN_OUTCOME

OUTCOME_WEIGHT = 0.1
"""Weight of the outcome beside the hazards: a help, not the aim."""


def hazard_loss(logits: Tensor, risk: Tensor, at_risk: Tensor, failure_weight: float) -> Tensor:
    """Negative log-likelihood of competing risks with right censoring, summed over all rows.

    The likelihood of a row is the product over its bins of the probability of what happened there,
    given that nothing had before: bins beyond the event or the censoring are not at risk and do
    not count (Prentice et al. 1978). Weighting the bins with failures trades exact probabilities,
    which calibration restores, for attention to what is rare.

    Args:
        logits: (H, C + 2, ...).
        risk: (H, ...) which of the C + 2 happened.
        at_risk: (H, ...) 1 where that is known, else 0.
        failure_weight: of bins in which a failure happened.
    """
    each = functional.cross_entropy(logits, risk, reduction="none")
    weight = torch.where(risk >= FIRST_TYPE, failure_weight, 1.0) * at_risk
    return (each * weight).sum()


def outcome_loss(logits: Tensor, outcome: Tensor) -> Tensor:
    """Cross-entropy of logits (C + 1, ...) of the outcome (...), summed over rows that ask it."""
    return functional.cross_entropy(
        logits[None], outcome[None], ignore_index=UNKNOWN_OUTCOME, reduction="sum"
    )
