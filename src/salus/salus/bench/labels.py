"""Labelling a whole store at once against a plain loop over episodes, steps, horizons and types."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salus.bench.harness import Benchmark, Row, alternate, timed
from salus_data.contract import DEFAULT_HORIZONS
from salus_data.episode import EpisodeRecord
from salus_data.errors import SalusError
from salus_data.labels import compute_horizon_labels
from salus_data.types import NO_FAILURE, FailureType, Outcome

FAILURES = {
    FailureType.COLLISION: 66,
    FailureType.DROP: 68,
    FailureType.MISS: 59,
    FailureType.TIMEOUT: 60,
}
"""Failed episodes by type of the acceptance case, of 500."""
LIMIT = 50.0  # [ms]


def acceptance_case(episodes: int = 500, steps: int = 200) -> tuple[list[int], list[EpisodeRecord]]:
    """Ends and records of 500 episodes of 200 steps, 253 failed at the last step."""
    kinds = [kind for kind, count in FAILURES.items() for _ in range(count)]
    records = []
    for index in range(episodes):
        failed = index < len(kinds)
        records.append(
            EpisodeRecord(
                id=f"0-{index:06d}",
                index=index,
                seed=index,
                outcome=Outcome.FAILURE if failed else Outcome.SUCCESS,
                failure_type=int(kinds[index]) if failed else NO_FAILURE,
                onset_step=steps - 1,
                confirm_step=steps - 1,
            )
        )
    return [steps * (index + 1) for index in range(episodes)], records


def loop_labels(
    ends: Sequence[int], records: Sequence[EpisodeRecord], horizons: Sequence[int], n_types: int
) -> NDArray[np.uint8]:
    """The same labels (N, H, C) by the definition, one cell at a time."""
    labels = np.zeros((ends[-1], len(horizons), n_types), np.uint8)
    start = 0
    for end, record in zip(ends, records, strict=True):
        if record.outcome is Outcome.FAILURE:
            for t in range(end - start):
                for h, horizon in enumerate(horizons):
                    if 0 < record.onset_step - t <= horizon:
                        labels[start + t, h, record.failure_type] = 1
        start = end
    return labels


def measure(rounds: int) -> Benchmark:
    """Label 500 episodes of 200 steps both ways.

    Raises:
        SalusError: the two ways give different labels.
    """
    ends, records = acceptance_case()
    n_types = len(FailureType)
    labels, _ = compute_horizon_labels(ends, records, DEFAULT_HORIZONS, n_types)
    if not np.array_equal(labels, loop_labels(ends, records, DEFAULT_HORIZONS, n_types)):
        raise SalusError("vectorised labels differ from those of the plain loop")
    times = alternate(
        {
            "store": lambda: timed(
                lambda: compute_horizon_labels(ends, records, DEFAULT_HORIZONS, n_types)
            ),
            "loop": lambda: timed(lambda: loop_labels(ends, records, DEFAULT_HORIZONS, n_types)),
        },
        rounds,
    )
    fast, slow = 1000 * min(times["store"]), 1000 * min(times["loop"])
    return Benchmark(
        "labels",
        (
            Row("label 500 x 200 steps", fast, "ms", "plain loop", slow),
            Row("label 500 x 200 steps", fast, "ms", at_most=LIMIT),
        ),
        {"rounds": rounds, "positive_cells": int(labels.sum())},
    )
