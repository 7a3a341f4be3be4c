"""A model's calibration anew, on episodes of the user's own policy and robot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from salus_data.errors import FormatError
from salus_predictor.calibration.calibrate import choose_thresholds, rescale
from salus_predictor.calibration.conformal import (
    channels,
    highest_risks,
    smallest_rate,
    success_episodes,
    success_risks,
)
from salus_predictor.calibration.exchangeability import Verdict, check_exchangeable
from salus_predictor.model.folder import Model
from salus_predictor.model.hazards import targets
from salus_predictor.model.reading import load_model
from salus_predictor.steps import StepData

ENOUGH_FAILURES: Final = 10
"""Failed episodes of every type that the scaling of probabilities needs."""


@dataclass(frozen=True)
class Recalibration:
    """What came of it.

    Attributes:
        model: with its new calibration.
        verdict: whether the old thresholds held on these episodes.
        scaled: whether probabilities were scaled anew, too.
        notes: lines for people.
    """

    model: Model
    verdict: Verdict
    scaled: bool
    notes: tuple[str, ...]


def recalibrate(folder: Path, stores: Sequence[Path], alpha: float) -> Recalibration:
    """Calibrate the model of a folder on stores; nothing is written.

    Raises:
        FormatError: no episode succeeded, or the model was trained on one of them.
        ContractMismatchError: the stores lack what the model reads.
    """
    model = load_model(folder)
    data = StepData.read(list(stores), embedding=model.predictor.embedding_size > 0)
    model.require_untrained(data)
    if not success_episodes(data):
        raise FormatError(
            f"{', '.join(map(str, stores))}: none of {len(data)} episodes succeeded by itself; "
            "thresholds come from successful ones"
        )
    names = channels(data.contract.failure_types)
    risks = highest_risks(success_risks(data, model.predictor.predict(data)), len(names))
    verdict = check_exchangeable(model.calibration.scores, risks, names)
    failed = np.array(
        [
            sum(r.failure_type == c and r.onset_step > 0 for r in data.records)
            for c in range(len(data.contract.failure_types))
        ]
    )
    scaled = model.predictor.dated and bool((failed >= ENOUGH_FAILURES).all())
    predictor = model.predictor
    if scaled:
        predictor = rescale(predictor, predictor.logits(data), targets(data))
    calibration = choose_thresholds(predictor, data, alpha)
    notes = []
    if not scaled:
        notes.append(
            f"probabilities and F1 thresholds stay as they were: scaling needs {ENOUGH_FAILURES} "
            "failed episodes of every type"
        )
        calibration = replace(calibration, f1=model.calibration.f1)
    n = len(calibration.scores)
    per_type = alpha / len(data.contract.failure_types)
    if smallest_rate(n) > per_type:
        notes.append(
            f"thresholds are infinite: {n} successful episodes promise a rate of "
            f"{smallest_rate(n):.3g} at best, each type's share of {alpha:g} is {per_type:.3g}"
        )
    # Whoever evaluates must leave these episodes out, too.
    seeds = (*model.episodes.validation, *(record.seed for record in data.records))
    fresh = replace(
        model,
        predictor=predictor,
        calibration=calibration,
        episodes=replace(model.episodes, validation=tuple(dict.fromkeys(seeds))),
    )
    return Recalibration(fresh, verdict, scaled, tuple(notes))
