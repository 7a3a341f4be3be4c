"""Step data in memory for the tests of evaluation and baselines: no store, no physics."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from salus_data.action_space import DELTA_EE
from salus_data.contract import Column, Contract
from salus_data.episode import EpisodeRecord
from salus_data.labels import compute_horizon_labels
from salus_data.types import NO_FAILURE, Outcome
from salus_predictor.model.base import Forecasts
from salus_predictor.steps import StepData

HORIZONS = (5, 10, 20)
TYPES = ("collision", "drop")
PERIOD = 1 / 30


def contract(signals: Sequence[str] = ("noise", "warning"), **changes: Any) -> Contract:
    fields: dict[str, Any] = {
        "step_period": PERIOD,
        "action_space": DELTA_EE,
        "state": (),
        "perceived": (),
        "signals": tuple(Column(name, "1") for name in signals),
        "cameras": (),
        "horizons": HORIZONS,
        "failure_types": TYPES,
        "policy": "scripted",
    }
    return Contract(**fields | changes)


def record(index: int, kind: int | None, length: int, **changes: Any) -> EpisodeRecord:
    """A failure of type `kind`, or a success; its event is two rows before the last."""
    fields: dict[str, Any] = {
        "id": f"9-{index}",
        "index": index,
        "seed": 5000 + index,
        "task": "put it there",
        "policy": "scripted",
        "outcome": Outcome.SUCCESS if kind is None else Outcome.FAILURE,
        "failure_type": NO_FAILURE if kind is None else kind,
        "onset_step": length - 2,
        "confirm_step": length - 1,
        "milestones": (("reached", length // 3),),
    }
    return EpisodeRecord(**fields | changes)


def make_data(
    records: Sequence[EpisodeRecord],
    lengths: Sequence[int],
    *,
    signals: np.ndarray | None = None,
    names: Sequence[str] = ("noise", "warning"),
    embedding: np.ndarray | None = None,
    chunk_phase: np.ndarray | None = None,
    **changes: Any,
) -> StepData:
    """Episodes with labels that follow from their records."""
    ends = np.cumsum(lengths)
    meaning = contract(names, **changes)
    labels, valid = compute_horizon_labels(
        ends, records, meaning.horizons, len(meaning.failure_types)
    )
    n = int(ends[-1])
    return StepData(
        meaning,
        np.zeros((n, len(names)), np.float32) if signals is None else signals.astype(np.float32),
        labels,
        valid,
        ends,
        tuple(records),
        np.full(n, -1, np.int16) if chunk_phase is None else chunk_phase,
        embedding,
    )


def random_data(
    seed: int,
    episodes: int = 60,
    *,
    noise: float = 0.6,
    informative: bool = True,
    first: int = 0,
    clock: bool = True,
    length: int = 0,
) -> StepData:
    """Successes and failures in turn; the signal `warning` grows before a failure.

    Embeddings (N, 6) show the same in their first column. Episodes last 40 to 69 steps, so that
    elapsed time says much about when they end; without `clock` they end at any step alike. With
    `length` all last so many.
    """
    random = np.random.default_rng(seed)
    kinds = [None, 0, None, 1]
    lengths = random.integers(40, 70, episodes) if clock else 3 + random.geometric(0.02, episodes)
    if length:
        lengths = np.full(episodes, length)
    records = [
        record(first + i, kinds[i % 4], int(n), abrupt=bool(i % 8 == 1))
        for i, n in enumerate(lengths)
    ]
    rows = np.concatenate([np.arange(n) for n in lengths])
    onset = np.repeat([r.onset_step if r.failure_type >= 0 else 10**6 for r in records], lengths)
    sign = np.repeat([1 if r.failure_type == 0 else -1 for r in records], lengths)
    near = np.clip(1 - (onset - rows) / 15, 0, 1) * sign * informative
    signals = np.stack(
        [random.normal(size=len(rows)), near + noise * random.normal(size=len(rows)) / 3], axis=1
    )
    embedding = random.normal(size=(len(rows), 6))
    embedding[:, 0] += 4 * near
    return make_data(
        records,
        lengths,
        signals=signals,
        embedding=embedding.astype(np.float16),
        chunk_phase=(rows % 8).astype(np.int16),
    )


def random_forecasts(data: StepData, seed: int, strength: float = 1.0) -> Forecasts:
    """Probabilities that know something of the labels; many are equal."""
    random = np.random.default_rng(seed)
    n, h, c = data.labels.shape
    score = random.normal(size=(n, 1, c)) + strength * data.labels[:, -1:]
    probability = np.round(1 / (1 + np.exp(2 - score)), 2) * np.linspace(0.5, 1, h)[None, :, None]
    risk = np.clip(probability[:, -1].sum(axis=1), 0, 1)
    outcome = np.column_stack([1 - risk, *(risk[:, None].repeat(c, 1) / c).T])
    return Forecasts(probability, outcome)
