"""Test episodes must be new: a seed or an id that training saw makes every figure too good."""

from collections.abc import Iterable

from salus_data.errors import SalusError
from salus_predictor.steps import StepData


class OverlapError(SalusError, ValueError):
    """Raised when test episodes were seen in training."""


def overlap(test: StepData, seeds: Iterable[int], ids: Iterable[str] = ()) -> list[str]:
    """Ids of test episodes whose seed or id is among those of training."""
    known_seeds, known_ids = set(seeds), set(ids)
    return [r.id for r in test.records if r.seed in known_seeds or r.id in known_ids]


def require_new_episodes(test: StepData, train: StepData, test_name: str, train_name: str) -> None:
    """Raise OverlapError if an episode of `test` has the seed or the id of one of `train`."""
    seen = overlap(test, (r.seed for r in train.records), (r.id for r in train.records))
    if seen:
        raise OverlapError(
            f"{len(seen)} of {len(test)} episodes in {test_name} have a seed of {train_name} "
            f"(first: {seen[0]}); collect the test episodes with another --seed"
        )
