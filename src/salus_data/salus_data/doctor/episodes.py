"""Episodes: records that contradict themselves or their rows, and episodes that occur twice."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from salus_data.doctor.findings import Severity
from salus_data.doctor.source import Source
from salus_data.episode import EpisodeRecord
from salus_data.types import NO_FAILURE, FailureType, Outcome

CORRECT = "correct the record, then salus relabel"
AGAIN = "find out what wrote it; leave the episode out until then"


@dataclass(frozen=True)
class _Fault:
    severity: Severity
    code: str
    field: str
    message: str
    advice: str
    step: int | None = None


def check_episodes(source: Source) -> None:
    """Each record against itself and its rows; one finding a kind, dated at the first episode."""
    found: dict[tuple[str, str], list[tuple[int, _Fault]]] = {}
    for i, record in source.complete_records:
        for fault in _faults(source, record, int(source.lengths[i])):
            found.setdefault((fault.code, fault.field), []).append((i, fault))
    for faults in found.values():
        episode, fault = faults[0]
        more = f" ({len(faults)} episodes)" if len(faults) > 1 else ""
        source.add(
            fault.severity,
            fault.code,
            fault.message + more,
            fault.advice,
            field=fault.field,
            episode=episode,
            step=fault.step,
            count=len(faults),
        )


def check_duplicates(sources: list[Source]) -> None:
    """Ids used twice and episodes recorded twice, across all stores."""
    ids: dict[str, tuple[Source, int]] = {}
    contents: dict[str, tuple[Source, int]] = {}
    for source in sources:
        read = {name: source.read(name) for name in ("state", "action")}
        # A store without either, such as imported step logs, is known by its signals.
        if all(name not in source.arrays for name in read):
            read = {"signals": source.read("signals")}
        for i, record in source.complete_records:
            if record.id in ids:
                other, first = ids[record.id]
                source.add(
                    Severity.ERROR,
                    "duplicate_id",
                    f"the id {record.id} is that of episode number {first} of {other.path}, too",
                    "merge sets by index, each episode once",
                    field="id",
                    episode=i,
                )
            ids.setdefault(record.id, (source, i))
            if any(rows is None for rows in read.values()):
                continue
            rows = slice(int(source.starts[i]), int(source.ends[i]))
            content = b"".join(
                array[rows].tobytes() for array in read.values() if array is not None
            )
            digest = hashlib.sha256(content).hexdigest()
            if digest in contents:
                other, first = contents[digest]
                source.add(
                    Severity.ERROR,
                    "duplicate_episode",
                    f"{' and '.join(read)} are those of episode {other.episode_name(first)} of "
                    f"{other.path}, byte by byte (seeds {record.seed} and {_seed(other, first)})",
                    "it would be in training and in test at once: remove one of them",
                    field="seed",
                    episode=i,
                )
            contents.setdefault(digest, (source, i))


def _seed(source: Source, episode: int) -> int | None:
    record = source.records[episode]
    return None if record is None else record.seed


def _faults(source: Source, record: EpisodeRecord, length: int) -> Iterator[_Fault]:
    n_types = len(source.contract.failure_types) if source.contract else len(FailureType)
    yield from _outcome_faults(record, n_types)
    yield from _type_faults(record)
    yield from _step_faults(record, length)
    if source.contract is not None:
        yield from _onset_time_faults(record, source.contract.step_period)
    if record.event_source == "last_step" and record.onset_step >= 0:
        yield _Fault(
            Severity.WARNING,
            "event_assumed",
            "event_source",
            "the event is assumed to be at the last step; nothing recorded it",
            "state it beside every figure made from these labels",
        )


def _outcome_faults(record: EpisodeRecord, n_types: int) -> Iterator[_Fault]:
    failed = record.outcome is Outcome.FAILURE
    if failed and not 0 <= record.failure_type < n_types:
        yield _Fault(
            Severity.ERROR,
            "class_unknown",
            "failure_type",
            f"failure_type is {record.failure_type}, known are 0 to {n_types - 1}",
            f"{CORRECT}; the numbers are in salus_data.types.FailureType",
        )
    if not failed and record.failure_type != NO_FAILURE:
        yield _Fault(
            Severity.ERROR,
            "outcome_contradicted",
            "failure_type",
            f"the outcome is {record.outcome.name}, failure_type is {record.failure_type}",
            f"{CORRECT}; failure_type is {NO_FAILURE} unless the outcome is FAILURE",
        )
    if record.outcome is Outcome.DISCARDED:
        yield _Fault(
            Severity.ERROR,
            "episode_discarded",
            "outcome",
            "the episode was discarded (unstable simulation or incomplete recording)",
            "remove it from the store",
        )
    if record.outcome is Outcome.UNKNOWN:
        yield _Fault(
            Severity.WARNING,
            "outcome_unknown",
            "outcome",
            "nobody knows how the episode ended; none of its labels is valid",
            "nothing, if it was imported so; training ignores it",
        )
    if failed and record.onset_step < 0:
        yield _Fault(
            Severity.WARNING,
            "event_unknown",
            "onset_step",
            "the episode failed at an unknown step; none of its labels is valid",
            "nothing, if it was imported so; training ignores its steps",
        )


def _type_faults(record: EpisodeRecord) -> Iterator[_Fault]:
    """What the rest of the record says about the type: shifted numbers show here."""
    if record.outcome is not Outcome.FAILURE or record.event_source != "physics":
        return
    name = record.failure_type
    timeout = name == FailureType.TIMEOUT
    if timeout != bool(record.timeout_kind):
        yield _Fault(
            Severity.ERROR,
            "class_contradicted",
            "timeout_kind",
            f"failure_type is {name}, timeout_kind is {record.timeout_kind!r}",
            f"{CORRECT}; only a timeout ({int(FailureType.TIMEOUT)}) has a kind",
        )
    if name == FailureType.COLLISION and not record.bodies:
        yield _Fault(
            Severity.ERROR,
            "class_contradicted",
            "bodies",
            "the failure is a collision, and no bodies are named",
            f"{CORRECT}; a collision names the two bodies that touched",
        )


def _step_faults(record: EpisodeRecord, length: int) -> Iterator[_Fault]:
    onset, confirm, last = record.onset_step, record.confirm_step, length - 1
    ended = record.outcome in (Outcome.SUCCESS, Outcome.FAILURE)
    if onset > last or onset < -1 or (ended and onset == 0):
        yield _Fault(
            Severity.ERROR,
            "onset_out_of_range",
            "onset_step",
            f"onset_step is {onset}, rows with a step before them are 1 to {last}",
            CORRECT,
        )
    if confirm > last or confirm < -1 or (0 <= confirm < onset):
        yield _Fault(
            Severity.ERROR,
            "confirm_out_of_range",
            "confirm_step",
            f"confirm_step is {confirm}, the onset is {onset}, the last row is {last}",
            CORRECT,
        )
    if ended and 0 <= confirm < last:
        yield _Fault(
            Severity.ERROR,
            "episode_runs_on",
            "confirm_step",
            f"the episode goes on for {last - confirm} steps after its event was confirmed",
            "the simulation must end the episode there; cut these steps",
            confirm,
        )
    marks = {
        "first_intervention_step": record.first_intervention_step,
        **{f"milestones.{name}": step for name, step in record.milestones},
    }
    for name, step in marks.items():
        if step > last or step < (-1 if name == "first_intervention_step" else 0):
            yield _Fault(
                Severity.ERROR,
                "step_out_of_range",
                name,
                f"{name} is {step}, the last row is {last}",
                CORRECT,
            )
    steps = [step for _, step in record.milestones]
    if steps != sorted(steps):
        yield _Fault(
            Severity.WARNING,
            "milestones_unordered",
            "milestones",
            f"milestones are not in the order of their steps: {steps}",
            CORRECT,
        )
    if not 0 <= record.idle_steps <= length:
        yield _Fault(
            Severity.ERROR,
            "step_out_of_range",
            "idle_steps",
            f"idle_steps is {record.idle_steps} in an episode of {length}",
            CORRECT,
        )
    if length < 2:
        yield _Fault(
            Severity.ERROR, "episode_too_short", "", f"the episode has {length} rows", AGAIN
        )


def _onset_time_faults(record: EpisodeRecord, period: float) -> Iterator[_Fault]:
    if math.isnan(record.onset_time) or record.onset_step < 1:
        return
    # The onset is the first row at or after the event, so the event lies in the step before it.
    expected = math.ceil(record.onset_time / period - 1e-6)
    if not np.isclose(expected, record.onset_step, atol=0.5):
        yield _Fault(
            Severity.WARNING,
            "onset_time_disagrees",
            "onset_time",
            f"onset_time {record.onset_time:.4f} s lies before row {expected}, onset_step is "
            f"{record.onset_step}",
            CORRECT,
            record.onset_step,
        )
