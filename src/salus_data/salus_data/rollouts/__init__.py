"""Step logs of any policy as a store: signals and how each episode ended, and nothing invented.

The files are read twice, first to check every episode and to learn what they have in common, then
to write, one episode in memory at a time. The store appears at its place complete, or not at all.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import DEFAULT_HORIZONS, Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError, UnknownNameError
from salus_data.rollouts.json_lines import read_json_lines
from salus_data.rollouts.npz import read_npz
from salus_data.rollouts.rollout import Rollout
from salus_data.rollouts.survey import FAILURE, Survey
from salus_data.types import NO_FAILURE, Outcome, Validity
from salus_data.writer import StoreWriter

__all__ = ["ImportReport", "Rollout", "import_rollouts", "read_rollouts"]

SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".json.gz", ".json", ".npz")


@dataclass(frozen=True)
class ImportReport:
    """What was imported; `dated` failures have a known event step."""

    out: str
    files: int
    episodes: int
    rows: int
    successes: int
    failures: int
    dated: int
    failure_types: tuple[str, ...]
    tasks: int
    signals: tuple[str, ...]
    embedding_size: int

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def read_rollouts(
    files: Sequence[Path], advance: Callable[[int], None] | None = None
) -> Iterator[Rollout]:
    """The episodes of all files in turn.

    Raises:
        FormatError: a file is missing or is not what it should be.
        UnknownNameError: a file is of no kind that can be read.
    """
    for path in files:
        if path.is_dir():
            raise FormatError(f"{path}: is a folder; name the files in it")
        if not path.is_file():
            raise FormatError(f"{path}: no such file")
        if not path.name.endswith(SUFFIXES):
            raise UnknownNameError(f"kind of step log {path}:", path.suffix, SUFFIXES)
        read = read_npz if path.suffix == ".npz" else read_json_lines
        yield from read(path, advance or _ignore)


def import_rollouts(
    files: Sequence[Path],
    out: Path,
    *,
    step_period: float,
    units: Mapping[str, str] | None = None,
    policy: str = "unknown",
    horizons: Sequence[int] = DEFAULT_HORIZONS,
    advance: Callable[[int], None] | None = None,
) -> ImportReport:
    """Write step logs as a store.

    Args:
        files: JSON lines or .npz (docs/DATA_FORMAT.md, Imported rollouts).
        out: the new store, which must not exist.
        step_period: seconds between two steps of the log.
        units: unit by signal; "1" where none is given.
        policy: name of what acted.
        horizons: of the labels [steps].
        advance: told how many bytes were read since the last call; every byte is read twice.

    Raises:
        FormatError: `out` exists, or a file is not what it should be; nothing is left behind.
    """
    if out.exists():
        raise FormatError(f"{out} exists; name a folder that does not")
    if not files:
        raise FormatError("no file was given")
    survey = Survey()
    for rollout in read_rollouts(files, advance):
        survey.add(rollout)
    contract = survey.contract(step_period, units=units, policy=policy, horizons=horizons)
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.with_name(f".{out.name}.importing")
    shutil.rmtree(staging, ignore_errors=True)
    counts = {"successes": 0, "failures": 0, "dated": 0}
    try:
        with StoreWriter.open(
            staging,
            contract,
            images=None,
            embedding_size=survey.embedding_size,
            provenance={
                "imported_from": [str(path) for path in files],
                "step_period": "as given by the user",
                "units": "as given by the user; 1 where not given",
            },
        ) as writer:
            stamp = 0
            for index, rollout in enumerate(read_rollouts(files, advance)):
                if survey.seen.get(rollout.id) != rollout.where:
                    raise FormatError(f"{rollout.where}: the file changed while it was read")
                arrays = _arrays(contract, rollout, stamp)
                stamp = int(arrays["stamp"][-1])
                writer.hold(_record(contract, rollout, index), arrays)
                counts["successes" if rollout.success else "failures"] += 1
                counts["dated"] += not rollout.success and rollout.event_step > 0
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return ImportReport(
        out=str(out),
        files=len(files),
        episodes=len(survey.seen),
        rows=survey.rows,
        failure_types=contract.failure_types,
        tasks=len(survey.tasks),
        signals=survey.names,
        embedding_size=survey.embedding_size,
        **counts,
    )


def _record(contract: Contract, rollout: Rollout, index: int) -> EpisodeRecord:
    kind = NO_FAILURE
    if not rollout.success:
        kind = contract.failure_types.index(rollout.failure_type or FAILURE)
    return EpisodeRecord(
        id=rollout.id,
        index=index,
        seed=rollout.seed,
        task=rollout.task,
        policy=contract.policy,
        outcome=Outcome.SUCCESS if rollout.success else Outcome.FAILURE,
        failure_type=kind,
        onset_step=rollout.event_step,
        event_source=rollout.event_source,
    )


def _arrays(contract: Contract, rollout: Rollout, stamp: int) -> dict[str, NDArray[Any]]:
    """The arrays of one episode; stamps go on from `stamp` [ns]."""
    order = [rollout.names.index(column.name) for column in contract.signals]
    signals = rollout.values[:, order]
    steps = np.arange(1, rollout.n_rows + 1)
    arrays: dict[str, NDArray[Any]] = {
        "stamp": stamp + np.rint(steps * contract.step_period * 1e9).astype(np.int64),
        "signals": signals,
        "signal_validity": np.where(
            np.isnan(signals), Validity.NOT_PROVIDED, Validity.VALID
        ).astype(np.uint8),
        "chunk_phase": np.full(rollout.n_rows, -1, dtype=np.int16),
    }
    if rollout.embedding is not None:
        arrays["embedding"] = rollout.embedding
    return arrays


def _ignore(_: int) -> None:
    """Nobody wants to know about progress."""
