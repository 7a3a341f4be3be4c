"""Fits a whole predictor to episodes that are already split."""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import ContractMismatchError
from salus_predictor.calibration.calibrate import rescale
from salus_predictor.model.inputs import choose_inputs, reads_embedding
from salus_predictor.model.normalise import Normalisation
from salus_predictor.model.predictor import RECORD_EMBEDDING, HazardModel, HazardPredictor
from salus_predictor.model.projection import Projection
from salus_predictor.model.scaling import Scaling
from salus_predictor.steps import StepData
from salus_predictor.training.checkpoint import Checkpoint
from salus_predictor.training.checks import check_learnable, refuse, worthless
from salus_predictor.training.examples import Examples
from salus_predictor.training.fit_network import NetworkFit
from salus_predictor.training.fit_trees import fit_trees
from salus_predictor.training.listener import EpochReport, Listener, Silent
from salus_predictor.training.metrics import watch
from salus_predictor.training.options import TrainOptions

Array = NDArray[np.float64]

TREES_SHARE: Final = (0.3, 0.5, 0.7)
"""Weights of the trees in an average; validation chooses."""


def fit_predictor(
    train: StepData,
    validation: StepData,
    options: TrainOptions,
    *,
    listener: Listener | None = None,
    checkpoint: Checkpoint | None = None,
    force: bool = False,
    forced: list[str] | None = None,
    name: str = "salus",
) -> HazardPredictor:
    """Fit to `train`; `validation` stops, chooses and calibrates.

    Raises:
        RefusedError: nothing can be learnt, or nothing was.
        SalusError: the data lacks an input.
    """
    listener = listener or Silent()
    inputs = choose_inputs(train.contract, options.inputs)
    columns = [train.signal_names.index(signal) for signal in inputs]
    projection = _project(train, options) if reads_embedding(options.inputs) else None
    whitened = projection.components if projection else 0
    predictor = HazardPredictor(
        name=name,
        inputs=inputs,
        contract=train.contract,
        normalisation=Normalisation.fit(train.signals[:, columns]).and_whitened(whitened),
        members=(),
        weights=(),
        hazard_scaling=Scaling.none(len(train.contract.failure_types) + 2),
        outcome_scaling=Scaling.none(len(train.contract.failure_types) + 1),
        with_time=options.with_time,
        projection=projection,
    )
    listener.say("computing features")
    examples, held = (Examples.of(data, predictor.features(data)) for data in (train, validation))
    refuse(check_learnable(examples, held), force=force, forced=forced)
    predictor = replace(predictor, dated=examples.dated)
    members: list[HazardModel] = []
    if options.kind != "trees":
        for number in range(options.networks):
            fit = NetworkFit(examples, held, options, number)
            members.append(fit.run(listener, checkpoint, force=force, forced=forced))
    if options.kind != "network":
        listener.say("boosting trees")
        members.append(fit_trees(examples, held, options, listener))
    logits = [member.logits(held.features, held.data.ends) for member in members]
    predictor = _weigh(replace(predictor, members=tuple(members)), logits, held, options)
    pooled = predictor.pool(logits)
    predictor = rescale(predictor, pooled, held.targets)
    if predictor.dated and held.dated:
        said = predictor.forecasts(*pooled).probability
        _check_last(said, examples, held, force=force, forced=forced)
    return predictor


def _project(train: StepData, options: TrainOptions) -> Projection:
    if train.embedding is None:
        raise ContractMismatchError(
            f"inputs {options.inputs!r} need the policy's embedding, which not all of "
            f"{', '.join(train.sources) or 'the data'} have. {RECORD_EMBEDDING}"
        )
    return Projection.fit(train.embedding, options.seed)


def _weigh(
    predictor: HazardPredictor,
    logits: list[tuple[Array, Array]],
    held: Examples,
    options: TrainOptions,
) -> HazardPredictor:
    """Give the members their weights; `logits` are theirs on the validation rows."""
    n = len(predictor.members)
    if options.kind != "average" or not held.dated:
        return replace(predictor, weights=(1 / n,) * n)
    found, best = predictor, -math.inf
    for share in TREES_SHARE:
        networks = ((1 - share) / (n - 1),) * (n - 1)
        tried = replace(predictor, weights=(*networks, share))
        probability = tried.forecasts(*tried.pool(logits)).probability
        figure = watch(held.data, probability).macro_ap
        if figure > best:
            found, best = tried, figure
    return found


def _check_last(
    probability: Array,
    train: Examples,
    held: Examples,
    *,
    force: bool,
    forced: list[str] | None,
) -> None:
    """What came out must be a result, however few the updates were."""
    watched = watch(held.data, probability)
    low_to_high = np.quantile(probability[:, -1], [0, 0.25, 0.5, 0.75, 1], axis=0).T
    report = EpochReport(
        "result", 0, 0, math.nan, watched.macro_f1, watched.macro_ap, math.nan, low_to_high
    )
    refuse(worthless(train, watched, report, math.nan), force=force, forced=forced)


@dataclass(frozen=True)
class HazardRecipe:
    """A `Recipe`: the predictor, made with these options."""

    options: TrainOptions = field(default_factory=TrainOptions)
    name: str = "salus"

    def fit(self, train: StepData, validation: StepData, *, seed: int) -> HazardPredictor:
        """Fit to `train`; `validation` stops, chooses and calibrates.

        Raises:
            SalusError: the data cannot be learnt from; says why.
        """
        return fit_predictor(train, validation, replace(self.options, seed=seed), name=self.name)
