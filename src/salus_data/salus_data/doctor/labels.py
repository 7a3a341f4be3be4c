"""Labels: do they say what the events say, and is there anything to learn from them?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.doctor.findings import Severity
from salus_data.doctor.source import Rows, Source, label_arrays
from salus_data.errors import FormatError
from salus_data.labels import compute_horizon_labels, label_digest
from salus_data.schema import LABELS, VALID
from salus_data.types import Outcome

RELABEL = (
    "compute them again from the events: salus relabel (with --event-step last for a store of the "
    "prototype)"
)

SOUND_SOURCES = ("physics", "human", "imported", "computed", "ground_truth")
ASSUMED_SOURCES = ("last_step", "unknown", "mixed")


def check_labels(source: Source) -> None:
    """Labels and validity against the episodes' events."""
    _check_source(source)
    labels, valid = label_arrays(source)
    if labels is None or len(labels) == 0:
        return
    if not _check_codes(source, labels):
        return
    horizons = _check_horizons(source, labels)
    _check_presence(source, labels)
    _check_shift(source, labels)
    if horizons is not None and all(record is not None for record in source.records):
        _check_events(source, labels, valid, horizons)


def positive_steps(source: Source) -> tuple[int, int]:
    """(steps with any positive label among the valid ones, steps with any valid cell)."""
    labels, valid = label_arrays(source)
    if labels is None:
        return 0, 0
    asked = np.ones(labels.shape, bool) if valid is None else valid
    return int(((labels > 0) & asked).any(axis=(1, 2)).sum()), int(asked.any(axis=(1, 2)).sum())


def _check_source(source: Source) -> None:
    name = source.label_attributes.get("label_source")
    if name == "dummy":
        source.add(
            Severity.ERROR,
            "label_source_dummy",
            "label_source is 'dummy': the labels were never computed",
            RELABEL,
            field=f"{LABELS}.label_source",
        )
    elif name in ASSUMED_SOURCES or (name is None and source.legacy):
        source.add(
            Severity.WARNING,
            "events_assumed",
            f"label_source is {name!r}: some event steps are assumed or not known",
            "state it beside every figure made from these labels",
            field=f"{LABELS}.label_source",
        )
    elif name not in SOUND_SOURCES and len(source.ends):
        source.add(
            Severity.ERROR,
            "label_source_unknown",
            f"label_source is {name!r}, known are {[*SOUND_SOURCES, *ASSUMED_SOURCES, 'dummy']}",
            RELABEL,
            field=f"{LABELS}.label_source",
        )


def _check_codes(source: Source, labels: Rows) -> bool:
    odd: NDArray[np.bool_] = ~np.asarray(np.isin(labels, (0, 1)).all(axis=(1, 2)))
    source.add_rows(
        Severity.ERROR,
        "label_value",
        odd,
        "a label is neither 0 nor 1",
        RELABEL,
        field=LABELS,
    )
    return not odd.any()


def _check_horizons(source: Source, labels: Rows) -> list[int] | None:
    """The horizons on which attribute, contract and array agree."""
    told: dict[str, Any] = {}
    if source.contract is not None:
        told["contract.horizons"] = list(source.contract.horizons)
    if source.label_attributes.get("horizons") is not None:
        told[f"{LABELS}.horizons"] = list(source.label_attributes["horizons"])
    lists = list(told.values())
    if lists and all(h == lists[0] for h in lists) and len(lists[0]) == labels.shape[1]:
        return [int(h) for h in lists[0]]
    source.add(
        Severity.ERROR,
        "horizons_disagree",
        ", ".join(f"{name} {value}" for name, value in told.items())
        + f", the array has {labels.shape[1]} horizons",
        "relabel with the horizons that are meant: salus relabel --horizons",
        field="horizons",
    )
    return None


def _check_presence(source: Source, labels: Rows) -> None:
    """Failed episodes must have labels and others must not."""
    marked = np.array(
        [bool(labels[a:b].any()) for a, b in zip(source.starts, source.ends, strict=True)]
    )
    failed = [i for i, r in source.complete_records if _is_labelled(r, int(source.lengths[i]))]
    others = [i for i, r in source.complete_records if r.outcome is not Outcome.FAILURE]
    without = [i for i in failed if not marked[i]]
    surplus = [i for i in others if marked[i]]
    if failed and not labels.any():
        source.add(
            Severity.ERROR,
            "labels_all_zero",
            f"every label is 0 although {len(failed)} of {len(source.ends)} episodes failed; "
            "a model trained on them never predicts a failure (F1 = 0.000)",
            RELABEL,
            field=LABELS,
            episode=failed[0],
            count=len(failed),
        )
    elif without:
        source.add(
            Severity.ERROR,
            "failure_without_labels",
            f"{len(without)} of {len(failed)} failed episodes have no positive label",
            RELABEL,
            field=LABELS,
            episode=without[0],
            count=len(without),
        )
    if surplus:
        step = int(np.argmax(labels[source.starts[surplus[0]] :].any(axis=(1, 2))))
        source.add(
            Severity.ERROR,
            "labels_without_failure",
            f"{len(surplus)} episodes that did not fail have positive labels",
            RELABEL,
            field=LABELS,
            episode=surplus[0],
            step=step,
            count=len(surplus),
        )


def _is_labelled(record: Any, length: int) -> bool:
    """Whether a positive label follows: the event is dated, not at row 0 nor after a change."""
    changed = record.first_intervention_step
    return bool(
        record.outcome is Outcome.FAILURE
        and 0 < record.onset_step < length
        and (changed < 0 or record.onset_step <= changed)
    )


def _check_shift(source: Source, labels: Rows) -> None:
    """Labels that stand in another column than the record's failure type."""
    shifts = []
    episodes = []
    for i, record in source.complete_records:
        columns = np.flatnonzero(labels[source.starts[i] : source.ends[i]].any(axis=(0, 1)))
        if record.outcome is Outcome.FAILURE and len(columns) == 1:
            shift = int(columns[0]) - record.failure_type
            if shift:
                shifts.append(shift)
                episodes.append(i)
    if not shifts:
        return
    what = f"always {shifts[0]:+d}" if len(set(shifts)) == 1 else "by different amounts"
    source.add(
        Severity.ERROR,
        "class_shifted",
        f"labels stand in another column than the failure type of the record, {what}, in "
        f"{len(shifts)} episodes",
        "the numbers of failure types differ between what collected and what labelled; " + RELABEL,
        field=LABELS,
        episode=episodes[0],
        count=len(shifts),
    )


def _check_events(
    source: Source, labels: Rows, valid: NDArray[np.bool_] | None, horizons: list[int]
) -> None:
    records = [record for record in source.records if record is not None]
    try:
        right, asked = compute_horizon_labels(source.ends, records, horizons, labels.shape[2])
    except FormatError:
        return  # an impossible record, which has a finding of its own
    for name, stored, computed in ((LABELS, labels, right), (VALID, valid, asked)):
        if stored is None:
            continue
        wrong = stored != computed
        if not wrong.any():
            continue
        row, h, c = (int(i) for i in np.argwhere(wrong)[0])
        source.add_rows(
            Severity.ERROR,
            "labels_disagree" if name == LABELS else "validity_disagrees",
            wrong.any(axis=(1, 2)),
            f"{name} is {int(stored[row, h, c])} at horizon {horizons[h]}, type {c}, the events "
            f"say {int(computed[row, h, c])}; {int(wrong.sum())} cells differ",
            RELABEL,
            field=name,
        )
    _check_digest(source, records, horizons)


def _check_digest(source: Source, records: list[Any], horizons: list[int]) -> None:
    stored = source.label_attributes.get("digest")
    if source.legacy and stored is None:
        return
    count = source.label_attributes.get("digest_episodes", len(records))
    if not isinstance(count, int) or not 0 <= count <= len(records):
        count = len(records)
    # The writer notes the digest when it closes; one that was killed has added episodes since.
    if label_digest(source.ends[:count], records[:count], horizons) == stored:
        return
    source.add(
        Severity.ERROR,
        "label_digest",
        f"the digest {stored!r} says that the labels were computed from other events",
        RELABEL,
        field=f"{LABELS}.digest",
    )
