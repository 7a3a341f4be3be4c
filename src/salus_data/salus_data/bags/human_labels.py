"""Human labels of a recording: a CSV with one line an episode."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from salus_data.errors import FormatError, UnknownNameError
from salus_data.types import FAILURE_TYPES, Outcome

COLUMNS: Final = ("bag", "episode", "start_s", "end_s", "outcome", "failure_type", "onset_s")
OUTCOMES: Final = ("success", "failure", "truncated")


@dataclass(frozen=True)
class HumanLabel:
    """What somebody wrote about one episode.

    Attributes:
        bag: name of the bag's folder or file; empty: of the only bag.
        episode: its id.
        start, end: seconds from the first step of the bag.
        outcome: SUCCESS, FAILURE or TRUNCATED.
        failure_type: number of the failure; -1 for none.
        onset: seconds from the first step of the bag; None where nobody knows.
    """

    bag: str
    episode: str
    start: float
    end: float
    outcome: Outcome
    failure_type: int
    onset: float | None


def read_human_labels(path: Path) -> list[HumanLabel]:
    """Read the CSV.

    Raises:
        FormatError: file, line, column, value and what is valid.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise FormatError(
                    f"{path}: columns are {reader.fieldnames}; needs {','.join(COLUMNS)}"
                )
            return [_label(row, f"{path}, line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path}: cannot be read: {error}") from error


def _label(row: dict[str, str], where: str) -> HumanLabel:
    def seconds(column: str) -> float:
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise FormatError(f"{where}: {column} is {row[column]!r}; give seconds")
        return value

    if row["outcome"] not in OUTCOMES:
        raise FormatError(f"{where}: {UnknownNameError('outcome', row['outcome'], OUTCOMES)}")
    outcome = Outcome[row["outcome"].upper()]
    kind = row["failure_type"] or ""
    if outcome is Outcome.FAILURE and kind not in FAILURE_TYPES:
        raise FormatError(f"{where}: {UnknownNameError('failure_type', kind, FAILURE_TYPES)}")
    if outcome is not Outcome.FAILURE and kind:
        raise FormatError(f"{where}: failure_type is {kind!r} though the outcome is no failure")
    start, end = seconds("start_s"), seconds("end_s")
    if not start < end:
        raise FormatError(f"{where}: start_s is {start}, end_s {end}; the end comes later")
    onset = seconds("onset_s") if row["onset_s"] else None
    if onset is not None and not start <= onset <= end:
        raise FormatError(f"{where}: onset_s is {onset}; it lies between {start} and {end}")
    return HumanLabel(
        row["bag"] or "",
        row["episode"],
        start,
        end,
        outcome,
        FAILURE_TYPES.index(kind) if kind else -1,
        onset,
    )
