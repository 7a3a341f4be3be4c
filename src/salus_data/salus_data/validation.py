"""Whether an episode may enter a store: everything is checked before anything is written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError
from salus_data.schema import ArraySpec
from salus_data.types import NO_FAILURE, Outcome, Validity


def check_episode(
    contract: Contract,
    specs: Mapping[str, ArraySpec],
    record: EpisodeRecord,
    arrays: Mapping[str, NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    """Return the arrays of one episode in the store's types, in the store's order.

    Raises:
        FormatError: an array is missing or unknown, its length, shape, type or content is wrong,
            or the record contradicts itself or the number of rows.
    """
    if arrays.keys() != specs.keys():
        raise FormatError(
            f"episode {record.id}: missing arrays {sorted(specs.keys() - arrays.keys())}, "
            f"unknown arrays {sorted(arrays.keys() - specs.keys())}; "
            f"this store has {', '.join(specs)}"
        )
    n_rows = len(np.atleast_1d(arrays["stamp"]))
    if n_rows == 0:
        raise FormatError(f"episode {record.id} has no rows")
    check_record(record, n_rows, contract.failure_types)
    rows = {
        name: spec.check(np.asarray(arrays[name]), n_rows, record.id)
        for name, spec in specs.items()
    }
    backwards = np.flatnonzero(np.diff(rows["stamp"]) <= 0)
    if backwards.size:
        row = int(backwards[0]) + 1
        raise FormatError(
            f"episode {record.id}: stamp does not grow at row {row}: "
            f"{rows['stamp'][row - 1 : row + 1].tolist()} ns"
        )
    if "signals" in rows:
        _check_validity(contract, record, rows["signals"], rows["signal_validity"])
    return rows


def check_record(record: EpisodeRecord, n_rows: int, failure_types: tuple[str, ...]) -> None:
    """Raise FormatError unless the record of an episode of `n_rows` rows makes sense."""

    def require(good: bool, field: str, valid: str) -> None:
        if not good:
            raise FormatError(
                f"episode {record.id}: {field} is {getattr(record, field)!r}; valid: {valid}"
            )

    storable = (Outcome.SUCCESS, Outcome.FAILURE, Outcome.TRUNCATED, Outcome.STOPPED)
    last = n_rows - 1
    failed = record.outcome is Outcome.FAILURE
    require(bool(record.id), "id", "a name")
    require(record.index >= 0, "index", "0 or more")
    require(record.outcome in storable, "outcome", ", ".join(o.name for o in storable))
    require(
        0 <= record.failure_type < len(failure_types)
        if failed
        else record.failure_type == NO_FAILURE,
        "failure_type",
        f"0..{len(failure_types) - 1} where the outcome is FAILURE, else {NO_FAILURE}",
    )
    require(-1 <= record.onset_step <= last, "onset_step", f"-1..{last}")
    require(-1 <= record.confirm_step <= last, "confirm_step", f"-1..{last}")
    require(
        record.confirm_step == -1 or record.confirm_step >= record.onset_step,
        "confirm_step",
        f"-1, or the onset {record.onset_step} and later",
    )
    require(-1 <= record.first_intervention_step <= last, "first_intervention_step", f"-1..{last}")
    require(0 <= record.idle_steps <= n_rows, "idle_steps", f"0..{n_rows}")
    require(
        all(0 <= step <= last for _, step in record.milestones), "milestones", f"rows 0..{last}"
    )


def _check_validity(
    contract: Contract,
    record: EpisodeRecord,
    signals: NDArray[np.float32],
    validity: NDArray[np.uint8],
) -> None:
    """A signal has a value exactly where its validity says VALID."""
    contradicts = np.isnan(signals) == (validity == Validity.VALID)
    if contradicts.any():
        row, column = (int(i) for i in np.argwhere(contradicts)[0])
        raise FormatError(
            f"episode {record.id}: signals at row {row}, {contract.signals[column].name} is "
            f"{signals[row, column]}, but its signal_validity is "
            f"{Validity(int(validity[row, column])).name}; "
            "NaN needs a reason and a value needs VALID"
        )
