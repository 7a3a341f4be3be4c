"""Compute the labels of a store anew, in place and atomically.

A store of SALUS keeps its events, so that other horizons are a matter of arithmetic. A store of
the prototype has none (`salus_data.legacy`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

import salus_data
from salus_data.contract import DEFAULT_HORIZONS, check_horizons
from salus_data.create import create_rows, label_attributes
from salus_data.errors import FormatError
from salus_data.labels import compute_horizon_labels, label_digest
from salus_data.legacy import LEGACY_LABELS, METADATA, EventStep, LegacyStore, is_legacy
from salus_data.lock import WriterLock
from salus_data.schema import LABELS, VALID, label_specs
from salus_data.store import Store
from salus_data.swap import changed_in_place
from salus_data.types import FAILURE_TYPES, Outcome
from salus_data.writer import LOCK_FILE


@dataclass(frozen=True)
class RelabelReport:
    """What was done to one store; cells are (row, horizon, type).

    Attributes:
        path: the store.
        legacy: it is one of the prototype.
        label_source: where the events come from.
        horizons: in steps.
        episodes: E.
        failures: episodes with outcome FAILURE.
        positive_cells: labels that are 1.
        positive_by_horizon: by horizon in steps.
        positive_by_type: by name of the failure type.
        valid_cells: cells whose truth is known and asked.
        changed_cells: labels that differ from those before; None where the shape changed.
        digest: of what the labels follow from.
    """

    path: str
    legacy: bool
    label_source: str
    horizons: tuple[int, ...]
    episodes: int
    failures: int
    positive_cells: int
    positive_by_horizon: dict[int, int]
    positive_by_type: dict[str, int]
    valid_cells: int
    changed_cells: int | None
    digest: str

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def relabel_store(
    path: Path | str,
    horizons: Sequence[int] | None = None,
    event_step: EventStep | None = None,
) -> RelabelReport:
    """Compute the labels of a store anew, in place; killed at any moment it is the old or the new.

    Args:
        path: a store of SALUS or of the prototype.
        horizons: in steps, strictly growing; None keeps those of the store.
        event_step: `last` for a store of the prototype, which does not say when a failure happened.

    Raises:
        FormatError: the store is broken, the horizons are impossible, or `event_step` is missing
            for a store of the prototype, or given for one that knows its events.
        StoreLockedError: a writer has the store open.
    """
    path = Path(path)
    chosen = None if horizons is None else tuple(horizons)
    if chosen is not None:
        check_horizons(chosen)
    if is_legacy(path):
        return _relabel_legacy(path, chosen, event_step)
    # Labels that are missing or misshapen are no obstacle: they are what is replaced.
    store = Store(path, check_labels=False)
    if event_step is not None:
        raise FormatError(
            f"{path}: event_step={event_step!r} is for stores without events; this one has them"
        )
    with WriterLock(path / LOCK_FILE):
        store.refresh()
        return _relabel(store, chosen or store.contract.horizons)


def _relabel(store: Store, horizons: tuple[int, ...]) -> RelabelReport:
    contract = replace(store.contract, horizons=horizons)
    labels, valid = compute_horizon_labels(
        store.ends, store.records, horizons, len(contract.failure_types)
    )
    before = _read_before(store)
    facts = label_attributes(contract, store.ends.tolist(), store.records)
    with changed_in_place(store.path) as copy:
        root = zarr.open_group(copy, mode="r+", use_consolidated=False)
        for spec in label_specs(contract).values():
            array = create_rows(root, spec, overwrite=True)
            values = labels if spec.name == LABELS else valid
            array.resize(values.shape)
            array[:] = values
            array.update_attributes(facts)
        attributes: dict[str, Any] = dict(root.attrs)
        provenance = dict(attributes.get("provenance", {}))
        provenance["relabelled"] = [
            *provenance.get("relabelled", []),
            _provenance(horizons, facts["digest"], facts["label_source"]),
        ]
        root.update_attributes({"contract": contract.to_json(), "provenance": provenance})
    return _report(
        store.path,
        legacy=False,
        source=facts["label_source"],
        horizons=horizons,
        types=contract.failure_types,
        failures=sum(record.outcome is Outcome.FAILURE for record in store.records),
        episodes=len(store),
        labels=labels,
        valid=valid,
        before=before,
        digest=facts["digest"],
    )


def _read_before(store: Store) -> NDArray[Any] | None:
    """The labels to be replaced; None where they cannot be read."""
    try:
        return Store.open(store.path).read_all(LABELS)
    except FormatError:
        return None


def _relabel_legacy(
    path: Path, horizons: tuple[int, ...] | None, event_step: EventStep | None
) -> RelabelReport:
    LegacyStore.open(path).records(event_step)  # an error about the store comes before the lock
    with WriterLock(path / METADATA / "writer.lock"):
        store = LegacyStore.open(path)
        records = store.records(event_step)
        array = store.array(LEGACY_LABELS)
        steps = horizons or legacy_horizons(store)
        ends = np.cumsum(store.lengths)
        labels, valid = compute_horizon_labels(ends, records, steps, len(FAILURE_TYPES))
        before = np.asarray(array[:])
        real = np.arange(store.n_steps) < store.lengths[:, None]  # (E, T), the rest is padding
        shape = (len(store), store.n_steps, len(steps), len(FAILURE_TYPES))
        padded_labels = np.zeros(shape, dtype=array.dtype)
        padded_valid = np.zeros(shape, dtype=np.bool_)
        padded_labels[real], padded_valid[real] = labels, valid
        digest = label_digest(ends, records, steps)
        facts: dict[str, Any] = {
            "label_source": "last_step",
            "assumption": "every failure happened at the last row of its episode",
            "horizons": list(steps),
            "failure_types": list(FAILURE_TYPES),
            "digest": digest,
            "digest_episodes": len(records),
            "computed_by": f"salus {salus_data.__version__}",
        }
        with changed_in_place(path) as copy:
            (copy / ".zmetadata").unlink(missing_ok=True)  # would go on telling the old shapes
            root = zarr.open_group(copy, mode="r+", use_consolidated=False)
            for name, values in ((LEGACY_LABELS, padded_labels), (VALID, padded_valid)):
                chunks = (*array.chunks[:2], *shape[2:])
                root.create_array(
                    name, data=values, chunks=chunks, overwrite=True, attributes=facts
                )
            history: Any = root.attrs.get("relabelled", [])
            entry = _provenance(steps, digest, "last_step") | {"assumption": facts["assumption"]}
            root.update_attributes({"relabelled": [*history, entry]})
    return _report(
        path,
        legacy=True,
        source="last_step",
        horizons=steps,
        types=FAILURE_TYPES,
        failures=sum(record.outcome is Outcome.FAILURE for record in records),
        episodes=len(records),
        labels=padded_labels,
        valid=padded_valid,
        before=before,
        digest=digest,
    )


def legacy_horizons(store: LegacyStore) -> tuple[int, ...]:
    """The horizons that a store of the prototype names, else the only ones it ever used."""
    named = store.array(LEGACY_LABELS).attrs.get("horizons") or store.attributes.get("horizons")
    if isinstance(named, list):
        steps = tuple(int(h) for h in named)
        check_horizons(steps)
        return steps
    n_horizons = store.array(LEGACY_LABELS).shape[2]
    if n_horizons != len(DEFAULT_HORIZONS):
        raise FormatError(
            f"{store.path}: {LEGACY_LABELS} has {n_horizons} horizons and does not name them; "
            "give them (--horizons)"
        )
    return DEFAULT_HORIZONS


def _provenance(horizons: Sequence[int], digest: str, source: str) -> dict[str, Any]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"salus {salus_data.__version__}",
        "horizons": list(horizons),
        "label_source": source,
        "digest": digest,
    }


def _report(
    path: Path,
    *,
    legacy: bool,
    source: str,
    horizons: tuple[int, ...],
    types: tuple[str, ...],
    failures: int,
    episodes: int,
    labels: NDArray[Any],
    valid: NDArray[np.bool_],
    before: NDArray[Any] | None,
    digest: str,
) -> RelabelReport:
    positive = np.count_nonzero(labels.reshape(-1, len(horizons), len(types)), axis=0)  # (H, C)
    changed = None
    if before is not None and before.shape == labels.shape:
        changed = int(np.count_nonzero(labels != before))
    return RelabelReport(
        path=str(path),
        legacy=legacy,
        label_source=source,
        horizons=horizons,
        episodes=episodes,
        failures=failures,
        positive_cells=int(positive.sum()),
        positive_by_horizon=dict(zip(horizons, positive.sum(axis=1).tolist(), strict=True)),
        positive_by_type=dict(zip(types, positive.sum(axis=0).tolist(), strict=True)),
        valid_cells=int(np.count_nonzero(valid)),
        changed_cells=changed,
        digest=digest,
    )
