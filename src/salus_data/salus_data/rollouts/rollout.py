"""One imported episode: what a step log of any policy says, and nothing that it does not say."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError

EVENT_SOURCES: Final = ("imported", "physics", "human")
"""Who may have dated an event of a step log; `imported` where the log does not say."""

SEED_DIGITS: Final = 12
"""Hexadecimal digits of a digest that stands for a seed: exact in any JSON reader."""

UNSAFE_TYPE: Final = ("success", "unknown", "truncated", "stopped", "discarded")
"""Names that a failure type may not have, because they are those of outcomes."""


@dataclass(frozen=True)
class Rollout:
    """One episode of a step log.

    Attributes:
        where: file, and line where there are lines, for messages.
        id: unique among the files that are read together.
        success: whether the task was done.
        failure_type: name of the failure; empty where it is not known or there is none.
        event_step: first row that shows the event that ended the episode; -1 unknown.
        event_source: who dated it: one of `EVENT_SOURCES`, `unknown` without a date.
        task: what was to be done; empty where not said.
        seed: of the episode, 0 or more. Where the log has none, a digest of the episode's numbers:
            what splits by seed then keeps the same episode on one side, under whatever name.
        names: (K,) of the signals.
        values: (T, K) float32, NaN where the log has null.
        embedding: (T, M) float16 hidden state of the policy; None where not logged.
    """

    where: str
    id: str
    success: bool
    failure_type: str
    event_step: int
    event_source: str
    task: str
    seed: int
    names: tuple[str, ...]
    values: NDArray[np.float32]
    embedding: NDArray[np.float16] | None = None

    @property
    def n_rows(self) -> int:
        """Steps T."""
        return len(self.values)


def make_rollout(
    where: str,
    head: dict[str, Any],
    names: Sequence[str],
    values: NDArray[np.float64],
    *,
    default_id: str,
    embedding: NDArray[Any] | None = None,
) -> Rollout:
    """Check what a log says of an episode.

    Args:
        where: file and line, for messages.
        head: the episode's own fields, as plain data: success; optional episode_id, task_id,
            task_description or task, failure_type, event_step, event_source, seed, length.
        names: (K,) of the signals.
        values: (T, K), NaN for null.
        default_id: the id where the log gives none.
        embedding: (T, M) hidden states.

    Raises:
        FormatError: a field is missing, of the wrong type or contradicts another.
    """
    n_rows = len(values)
    if n_rows == 0:
        raise FormatError(f"{where}: steps is empty; an episode has one step or more")
    if not names:
        raise FormatError(f"{where}: no step has a number in it; nothing could be learnt from it")
    if "success" not in head:
        raise FormatError(f"{where}: success is missing; it must be true or false")
    success = head["success"]
    if not isinstance(success, bool):
        raise FormatError(f"{where}: success is {success!r}; it must be true or false")
    if (length := head.get("length")) is not None and whole(where, "length", length) != n_rows:
        raise FormatError(f"{where}: length is {length}, but there are {n_rows} steps")
    event_step = _event_step(where, head.get("event_step"), n_rows)
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    if np.isinf(small).any():
        t, k = (int(i) for i in np.argwhere(np.isinf(small))[0])
        raise FormatError(
            f"{where}: {names[k]} at step {t} is {values[t, k]}; it must be finite and below "
            "3.4e38, or null where there is no value"
        )
    return Rollout(
        where=where,
        id=_episode_id(where, head, default_id),
        success=success,
        failure_type=_failure_type(where, head.get("failure_type"), success),
        event_step=event_step,
        event_source=_event_source(where, head.get("event_source"), event_step),
        task=_task(where, head),
        seed=_seed(where, head.get("seed"), small),
        names=tuple(names),
        values=small,
        embedding=None if embedding is None else _embedding(where, embedding, n_rows),
    )


def whole(where: str, field: str, value: object) -> int:
    """`value` as a whole number; FormatError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise FormatError(f"{where}: {field} is {value!r}; it must be a whole number")
    return value


def _seed(where: str, value: object, values: NDArray[np.float32]) -> int:
    if value is None:
        return int(hashlib.sha256(values.tobytes()).hexdigest()[:SEED_DIGITS], 16)
    if (seed := whole(where, "seed", value)) < 0:
        raise FormatError(f"{where}: seed is {seed}; it must be 0 or more, or null")
    return seed


def _event_step(where: str, value: object, n_rows: int) -> int:
    if value is None:
        return -1
    step = whole(where, "event_step", value)
    if step != -1 and not 1 <= step < n_rows:
        raise FormatError(
            f"{where}: event_step is {step}; it is the first step that shows the event, "
            f"1 to {n_rows - 1}, or null where it is not known"
        )
    return step


def _event_source(where: str, value: object, event_step: int) -> str:
    if value is not None and value not in (*EVENT_SOURCES, "unknown"):
        raise FormatError(
            f"{where}: event_source is {value!r}; valid: {', '.join((*EVENT_SOURCES, 'unknown'))}"
        )
    if event_step < 0:
        return "unknown"
    return str(value or EVENT_SOURCES[0])


def _failure_type(where: str, value: object, success: bool) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or value.lower() in UNSAFE_TYPE:
        raise FormatError(
            f"{where}: failure_type is {value!r}; it must be the name of a failure, such as "
            "'collision', or null where it is not known"
        )
    if success:
        raise FormatError(f"{where}: failure_type is {value!r}, but success is true")
    return value


def _episode_id(where: str, head: dict[str, Any], default: str) -> str:
    parts = []
    for field in ("task_id", "episode_id"):
        value = head.get(field)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise FormatError(f"{where}: {field} is {value!r}; it must be a number or a name")
        parts.append(str(value))
    return "-".join(parts) if head.get("episode_id") is not None else default


def _task(where: str, head: dict[str, Any]) -> str:
    for field in ("task_description", "task"):
        value = head.get(field)
        if value is None:
            continue
        if not isinstance(value, str):
            raise FormatError(f"{where}: {field} is {value!r}; it must be text")
        return value
    return "" if head.get("task_id") is None else str(head["task_id"])


def _embedding(where: str, values: NDArray[Any], n_rows: int) -> NDArray[np.float16]:
    if values.ndim != 2 or len(values) != n_rows or values.shape[1] == 0:
        raise FormatError(
            f"{where}: hidden_states has shape {values.shape}; it must be ({n_rows}, width), one "
            "vector a step (pool over tokens and layers first)"
        )
    if values.dtype.kind != "f":
        raise FormatError(f"{where}: hidden_states is {values.dtype}; it must be floating point")
    with np.errstate(over="ignore"):
        small = values.astype(np.float16)
    if not np.isfinite(small).all():
        t, k = (int(i) for i in np.argwhere(~np.isfinite(small))[0])
        raise FormatError(
            f"{where}: hidden_states at step {t}, column {k} is {values[t, k]}; it must be finite "
            "and below 65504 (it is stored as float16)"
        )
    return small
