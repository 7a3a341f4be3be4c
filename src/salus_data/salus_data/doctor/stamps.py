"""Time: stamps that run backwards, repeat, or are not one step period apart."""

import itertools

import numpy as np
from numpy.typing import NDArray

from salus_data.doctor.findings import Severity
from salus_data.doctor.source import Source

JITTER = 0.01
"""Share of the step period that a spacing may be off; lockstep is exact to a nanosecond."""

LOST_STEP = 0.25
"""Share of the step period from which the row no longer is the step that it claims to be."""


def check_stamps(source: Source) -> None:
    """Spacing within each episode, order across episodes."""
    stamp = source.read("stamp")
    if stamp is None or stamp.ndim != 1 or len(stamp) < 2:
        return
    spacing = np.diff(stamp.astype(np.int64), prepend=stamp[:1])
    first = source.step_of_row == 0
    inside = ~first
    source.add_rows(
        Severity.ERROR,
        "stamp_backwards",
        inside & (spacing < 0),
        "the stamp is earlier than that of the step before",
        "rows are out of order: record again with a monotonic clock",
        field="stamp",
    )
    source.add_rows(
        Severity.ERROR,
        "stamp_repeated",
        inside & (spacing == 0),
        "the stamp is the same as that of the step before",
        "the row joins messages of another step: record again",
        field="stamp",
    )
    source.add_rows(
        Severity.ERROR,
        "stamp_overlaps",
        _overlapping(source, stamp.astype(np.int64)),
        "the episode begins at or before the last stamp of the one before it, by index",
        "/clock is monotonic across episodes: a resumed collection must go on where it stopped",
        field="stamp",
    )
    if source.contract is None:
        return
    period = source.contract.step_period * 1e9  # ns
    off = np.abs(spacing / period - 1)
    wrong = inside & (spacing > 0) & (off > LOST_STEP)
    worst = f"{spacing[np.argmax(wrong)] / 1e6:.3f} ms after the step before, the step period is "
    source.add_rows(
        Severity.ERROR,
        "step_spacing",
        wrong,
        f"the step is {worst}{period / 1e6:.3f} ms",
        "steps are missing, or the contract states another rate",
        field="stamp",
    )
    source.add_rows(
        Severity.WARNING,
        "step_jitter",
        inside & (off > JITTER) & (off <= LOST_STEP),
        f"the spacing of steps is off by more than {JITTER:.0%} of the step period",
        "expected in realtime; in lockstep it is a defect of the clock",
        field="stamp",
    )


def _overlapping(source: Source, stamp: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) marks the first row of each episode that begins before the one before it has ended.

    Episodes are compared in the order of their indices, not of the rows: a resumed collection
    writes an index that was left out behind later ones, and its stamps follow from the index.
    """
    marked = np.zeros(len(stamp), dtype=np.bool_)
    # A broken array may be shorter than the episodes claim; that is another finding.
    whole = np.flatnonzero(source.ends <= len(stamp))
    indices = {i: record.index for i, record in source.complete_records}
    order = sorted(whole.tolist(), key=lambda i: (indices.get(i, i), i))
    for before, after in itertools.pairwise(order):
        start = source.starts[after]
        marked[start] = stamp[start] <= stamp[source.ends[before] - 1]
    return marked
