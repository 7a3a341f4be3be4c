"""Many predictors, trained and scored alike: the same splits, thresholds and rules for all."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from salus_predictor.baselines.base import MissingInputError
from salus_predictor.evaluation.evaluate import Evaluation, Settings, evaluate
from salus_predictor.evaluation.thresholds import Thresholds
from salus_predictor.model.base import Predictor, Recipe
from salus_predictor.steps import StepData


@dataclass(frozen=True)
class Split:
    """Episodes for fitting, for choices, and for the one scoring."""

    train: StepData
    validation: StepData
    test: StepData


@dataclass
class Benchmark:
    """What came of every recipe.

    Attributes:
        evaluations: name -> evaluation on the test episodes.
        not_run: name -> what the data lacks.
        seconds: name -> wall-clock seconds of fitting and forecasting.
    """

    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def score(predictor: Predictor, split: Split, far: float, settings: Settings) -> Evaluation:
    """Choose thresholds on validation, then score the test episodes."""
    thresholds = Thresholds.choose(split.validation, predictor.predict(split.validation), far=far)
    forecasts = predictor.predict(split.test)
    return evaluate(predictor.name, split.test, forecasts, thresholds, settings)


def run_benchmark(
    recipes: Iterable[Recipe],
    split: Split,
    *,
    far: float,
    seed: int = 0,
    settings: Settings | None = None,
    on_start: Callable[[str], None] = lambda _: None,
    on_done: Callable[[str], None] = lambda _: None,
) -> Benchmark:
    """Fit and score every recipe; one whose input the data lacks is named, not scored."""
    result = Benchmark()
    for recipe in recipes:
        on_start(recipe.name)
        begin = time.perf_counter()
        try:
            predictor = recipe.fit(split.train, split.validation, seed=seed)
        except MissingInputError as error:
            result.not_run[recipe.name] = f"lacks {error}"
            on_done(recipe.name)
            continue
        result.evaluations[recipe.name] = score(predictor, split, far, settings or Settings())
        result.seconds[recipe.name] = time.perf_counter() - begin
        on_done(recipe.name)
    return result
