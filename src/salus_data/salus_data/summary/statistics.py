"""The counts on the summary page."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.schema import LABELS, VALID
from salus_data.types import Outcome
from salus_data.view import StoreView

Z_95: Final = 1.959964
"""Quantile of the normal distribution for an interval of 95 %."""

UNDISTURBED: Final = "none"


@dataclass(frozen=True)
class Share:
    """How many episodes ended in one way.

    Attributes:
        ending: outcome, or failure type where the outcome is FAILURE.
        count: episodes.
        share: of all episodes, 0 to 1.
        low, high: 95 % Wilson interval of the share.
    """

    ending: str
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Family:
    """How the episodes of one disturbance family ended.

    Attributes:
        name: of the family; `none` for undisturbed episodes.
        total: episodes with it; an episode with two families counts in both.
        counts: by ending.
    """

    name: str
    total: int
    counts: dict[str, int]


@dataclass(frozen=True)
class LabelRow:
    """Label cells of one horizon.

    Attributes:
        horizon: in steps.
        seconds: the same.
        positive: positive cells by failure type.
        valid: cells by failure type whose truth is known.
    """

    horizon: int
    seconds: float
    positive: dict[str, int]
    valid: dict[str, int]


@dataclass(frozen=True)
class Onsets:
    """When the events of one ending happened, in steps.

    Attributes:
        ending: as in `Share`.
        steps: (n,) onset steps, sorted.
    """

    ending: str
    steps: tuple[int, ...]

    @property
    def median(self) -> float:
        """Half of the events are earlier."""
        return float(np.median(self.steps))


def ending(record: EpisodeRecord, contract: Contract) -> str:
    """How an episode ended in one word: the failure type, or the outcome."""
    if record.outcome is Outcome.FAILURE and 0 <= record.failure_type < len(contract.failure_types):
        return contract.failure_types[record.failure_type]
    return record.outcome.name.lower()


def endings(contract: Contract) -> tuple[str, ...]:
    """Every ending that a store can hold, in the order of the page."""
    return (
        "success",
        *contract.failure_types,
        *(outcome.name.lower() for outcome in (Outcome.TRUNCATED, Outcome.STOPPED)),
    )


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share `count / total`; (0, 1) of nothing."""
    if total == 0:
        return 0.0, 1.0
    share = count / total
    denominator = 1 + Z_95**2 / total
    middle = share + Z_95**2 / (2 * total)
    half = Z_95 * sqrt(share * (1 - share) / total + Z_95**2 / (4 * total**2))
    return max(0.0, (middle - half) / denominator), min(1.0, (middle + half) / denominator)


def outcome_shares(view: StoreView) -> list[Share]:
    """One share for each ending that a store can hold, also for those that did not occur."""
    counts = Counter(ending(record, view.contract) for record in view.records)
    total = len(view)
    names = [*endings(view.contract), *(set(counts) - set(endings(view.contract)))]
    return [
        Share(
            name, counts[name], counts[name] / max(total, 1), *wilson_interval(counts[name], total)
        )
        for name in names
    ]


def disturbance_families(view: StoreView) -> list[Family]:
    """How the episodes of each disturbance family ended, undisturbed ones first."""
    table: dict[str, Counter[str]] = {}
    for record in view.records:
        for family in record.disturbance or (UNDISTURBED,):
            table.setdefault(family, Counter())[ending(record, view.contract)] += 1
    names = sorted(table, key=lambda name: (name != UNDISTURBED, name))
    return [Family(name, table[name].total(), dict(table[name])) for name in names]


def label_rows(view: StoreView) -> list[LabelRow]:
    """Positive and valid label cells by horizon and type; a masked cell is not positive."""
    valid: NDArray[np.bool_] = view.read_all(VALID).astype(bool)
    positive = ((view.read_all(LABELS) > 0) & valid).sum(axis=0)  # (H, C)
    asked = valid.sum(axis=0)
    types = view.contract.failure_types
    return [
        LabelRow(
            horizon,
            horizon * view.contract.step_period,
            dict(zip(types, positive[h].tolist(), strict=True)),
            dict(zip(types, asked[h].tolist(), strict=True)),
        )
        for h, horizon in enumerate(view.contract.horizons)
    ]


def onset_steps(view: StoreView) -> list[Onsets]:
    """When the events happened, for every ending that has a dated one."""
    found: dict[str, list[int]] = {}
    for record in view.records:
        if record.onset_step >= 0:
            found.setdefault(ending(record, view.contract), []).append(record.onset_step)
    return [
        Onsets(name, tuple(sorted(found[name]))) for name in endings(view.contract) if name in found
    ]


def chosen_episodes(view: StoreView) -> list[int]:
    """For every ending that occurs, the episode of median length, so that nobody picked it."""
    members: dict[str, list[int]] = {}
    for i, record in enumerate(view.records):
        members.setdefault(ending(record, view.contract), []).append(i)
    order: Sequence[str] = [name for name in endings(view.contract) if name in members]
    return [sorted(members[name], key=view.length)[len(members[name]) // 2] for name in order]
