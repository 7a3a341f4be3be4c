"""A store of the prototype, seen as rows, so that the same checks examine it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import DEFAULT_HORIZONS
from salus_data.doctor.findings import Severity
from salus_data.doctor.source import Source
from salus_data.errors import FormatError
from salus_data.legacy import LEGACY_LABELS, LegacyStore
from salus_data.schema import IMAGE_PREFIX, LABELS

NAMES = {"states": "state", "actions": "action"}
"""What the prototype called some of today's arrays."""


class LegacyRows:
    """An array (E, T, ...) as rows (N, ...), without the padding behind each episode."""

    def __init__(self, array: Any, lengths: NDArray[np.int64]) -> None:
        self._array = array
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths
        self.shape = (int(lengths.sum()), *array.shape[2:])
        self.dtype = array.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        pieces = [
            np.asarray(
                self._array[int(i), max(0, rows.start - start) : min(end, rows.stop) - start]
            )
            for i, (start, end) in enumerate(zip(self._starts, self._ends, strict=True))
            if start < rows.stop and rows.start < end
        ]
        return np.concatenate(pieces) if pieces else np.empty((0, *self.shape[1:]), self.dtype)


def read_legacy(source: Source) -> None:
    """Fill the source from a store of the prototype; what it lacks cannot be examined."""
    source.legacy = True
    source.add(
        Severity.WARNING,
        "legacy_store",
        "this is a store of the prototype: it has no contract, no stamps and no events, so each "
        "failure is taken to have happened at the last row",
        "state that beside every figure made from it; migrate it to today's layout",
    )
    try:
        store = LegacyStore.open(source.path)
        source.records = list(store.records("last"))
    except FormatError as error:
        source.add(
            Severity.ERROR,
            "legacy_invalid",
            str(error),
            "correct what is named, or collect again",
        )
        return
    source.ends = np.cumsum(store.lengths, dtype=np.int64)
    for name in store.names:
        array = store.array(name)
        is_image = array.ndim >= 5 and name != LEGACY_LABELS
        today = NAMES.get(name, name)
        if is_image and not today.startswith(IMAGE_PREFIX):
            today = IMAGE_PREFIX + today
        source.arrays[today] = LegacyRows(array, store.lengths)
    source.label_attributes = dict(store.array(LEGACY_LABELS).attrs)
    named = store.attributes.get("horizons")
    if named is None and source.arrays[LABELS].shape[1] == len(DEFAULT_HORIZONS):
        named = list(DEFAULT_HORIZONS)
    source.label_attributes.setdefault("horizons", named)
    if source.label_attributes.get("label_source") is None:
        source.label_attributes["label_source"] = store.attributes.get("label_source")
