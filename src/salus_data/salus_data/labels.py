"""Horizon labels: for every row, which failure follows within how many steps, where that is known.

Labels are derived and never stored without the events they come from. With T rows, an event whose
onset is row f, and horizons in steps:

    label[t, h, c] = 1  iff  failure c has onset f and 0 < f - t <= horizon[h]
    valid[t, h, c] = True  iff  that statement can be known and is worth asking at row t

- Failure or success with known onset: valid for t < f. Success is a terminal event of its own, so
  the rows before it are known negatives.
- Censored after row C (truncated or stopped: the last row; intervened: the first row whose action
  was changed): label 0, valid iff t + horizon[h] <= C. An onset up to an intervention counts.
- Success with unknown onset: no failure came, valid everywhere. Failure with unknown onset, or an
  unknown outcome: nothing is known, never valid.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus_data.contract import check_horizons
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError
from salus_data.types import Outcome

Labels = NDArray[np.uint8]  # (N, H, C)
Valid = NDArray[np.bool_]  # (N, H, C)


def compute_horizon_labels(
    ends: ArrayLike, records: Sequence[EpisodeRecord], horizons: Sequence[int], n_types: int
) -> tuple[Labels, Valid]:
    """Label every row of concatenated episodes from their records.

    Args:
        ends: (E,) row after the last one of each episode, strictly growing, as `meta/episode_ends`.
        records: (E,) in the same order.
        horizons: (H,) in steps, strictly growing, 1 or more.
        n_types: number of failure types C.

    Returns:
        labels (N, H, C) uint8 and valid (N, H, C) bool; N is the last end.

    Raises:
        FormatError: lengths disagree, or a record names an onset or a type that cannot be.
    """
    stops = np.asarray(ends, dtype=np.int64)
    if stops.shape != (len(records),):
        raise FormatError(f"episode_ends has shape {stops.shape} for {len(records)} records")
    return horizon_labels(
        np.diff(stops, prepend=0),
        [record.outcome for record in records],
        [record.failure_type for record in records],
        [record.onset_step for record in records],
        [record.first_intervention_step for record in records],
        horizons,
        n_types,
    )


def horizon_labels(
    lengths: ArrayLike,
    outcomes: ArrayLike,
    failure_types: ArrayLike,
    onset_steps: ArrayLike,
    censor_steps: ArrayLike,
    horizons: Sequence[int],
    n_types: int,
) -> tuple[Labels, Valid]:
    """Label every row of concatenated episodes; the rules are in the module's docstring.

    Args:
        lengths: (E,) rows of each episode, 1 or more.
        outcomes: (E,) `Outcome` numbers.
        failure_types: (E,) 0 .. C-1, read only where the outcome is FAILURE.
        onset_steps: (E,) row of the event that ended the episode, -1 where unknown; read only
            where the outcome is FAILURE or SUCCESS.
        censor_steps: (E,) last row whose future is the policy's own, that is the first row whose
            action a supervisor changed; -1 for none. Truncated and stopped episodes are censored
            at their last row in any case.
        horizons: (H,) in steps, strictly growing, 1 or more.
        n_types: number of failure types C.

    Returns:
        labels (N, H, C) uint8 and valid (N, H, C) bool, with N the sum of the lengths.

    Raises:
        FormatError: an episode is empty, an onset lies outside its episode, a type outside
            0 .. C-1, or the horizons are not strictly growing whole numbers.
    """
    check_horizons(tuple(horizons))
    steps = np.asarray(horizons, dtype=np.int64)  # (H,)
    length, outcome, kind, onset, censor = (
        np.asarray(values, dtype=np.int64)
        for values in (lengths, outcomes, failure_types, onset_steps, censor_steps)
    )
    failed = outcome == Outcome.FAILURE
    ended = failed | (outcome == Outcome.SUCCESS)
    _check_episodes(length, kind, onset, failed, ended, n_types)

    last = length - 1
    interrupted = censor >= 0
    cut = np.where(interrupted, np.minimum(censor, last), last)  # (E,) censoring row C
    dated = ended & (onset >= 0) & (~interrupted | (onset <= censor))
    watched = np.isin(outcome, (Outcome.TRUNCATED, Outcome.STOPPED))
    undated_failure = failed & (onset < 0)
    censored = ~dated & ~undated_failure & (watched | (ended & interrupted))
    harmless = (outcome == Outcome.SUCCESS) & ~interrupted & (onset < 0)

    # Rows are valid while t + reach <= limit. An event asks every horizon for the rows before it;
    # a censored row asks only the horizons that end while the episode was still watched.
    limit = np.select([dated, censored, harmless], [onset - 1, cut, last], default=-1)
    n_rows = int(length.sum())
    row = np.arange(n_rows) - np.repeat(np.cumsum(length) - length, length)  # (N,) t
    left = np.repeat(limit, length) - row  # (N,)
    reach = np.repeat(censored, length)[:, None] * steps  # (N, H)
    valid = np.repeat((left[:, None] >= reach)[:, :, None], n_types, axis=2)

    labels = np.zeros((n_rows, len(steps), n_types), dtype=np.uint8)
    until_failure = np.where(np.repeat(failed & dated, length), left + 1, 0)  # f - t
    near = np.flatnonzero((until_failure > 0) & (until_failure <= steps[-1]))
    labels[near, :, np.repeat(kind, length)[near]] = until_failure[near, None] <= steps
    return labels, valid


def _check_episodes(
    length: NDArray[np.int64],
    kind: NDArray[np.int64],
    onset: NDArray[np.int64],
    failed: NDArray[np.bool_],
    ended: NDArray[np.bool_],
    n_types: int,
) -> None:
    """Raise FormatError naming the first episode whose numbers contradict each other."""
    for bad, what in (
        (length < 1, "has no rows (or episode_ends does not grow)"),
        (ended & (onset >= length), "has its onset beyond its last row"),
        (failed & ((kind < 0) | (kind >= n_types)), f"has a failure type outside 0..{n_types - 1}"),
    ):
        if bad.any():
            i = int(np.argmax(bad))
            raise FormatError(
                f"episode {i} of {len(length)} {what}: {length[i]} rows, onset_step {onset[i]}, "
                f"failure_type {kind[i]}"
            )


def label_digest(ends: ArrayLike, records: Sequence[EpisodeRecord], horizons: Sequence[int]) -> str:
    """SHA-256 of everything that labels follow from, 16 hexadecimal digits.

    Two stores with the same digest have the same labels; labels whose stored digest differs were
    computed from other events.
    """
    facts = [
        (
            int(end),
            record.outcome.name,
            record.failure_type,
            record.onset_step,
            record.first_intervention_step,
        )
        for end, record in zip(np.asarray(ends).tolist(), records, strict=True)
    ]
    text = json.dumps({"horizons": [int(h) for h in horizons], "episodes": facts})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def label_source(records: Sequence[EpisodeRecord]) -> str:
    """Where the events behind the labels come from: one `event_source`, or `mixed`; '' for none."""
    sources = {record.event_source for record in records}
    return "mixed" if len(sources) > 1 else next(iter(sources), "")
