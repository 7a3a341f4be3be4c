"""Step logs as JSON lines: one episode a line, plain or gzipped, read one line at a time."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_data.rollouts.rollout import Rollout, make_rollout, whole

CLOCK: Final = "t"
"""The step's own number: checked, and never a signal, since it would be a clock."""

_LONGEST_QUOTE: Final = 60


def read_json_lines(path: Path, advance: Callable[[int], None]) -> Iterator[Rollout]:
    """The episodes of a file.

    Args:
        path: `*.jsonl` or `*.jsonl.gz`.
        advance: told how many bytes of the file have been read since the last call.

    Raises:
        FormatError: names file, line and field of what is wrong.
    """
    found = 0
    at = 0
    number = 0
    with path.open("rb") as raw, _text(path, raw) as lines:
        while True:
            number += 1
            where = f"{path}, line {number}"
            line = _read_line(lines, where)
            advance(raw.tell() - at)
            at = raw.tell()
            if line is None:
                break
            if not line.strip():
                continue
            found += 1
            yield parse_episode(where, line, default_id=f"{_stem(path)}-{number - 1}")
    if not found:
        raise FormatError(f"{path}: the file is empty; it must have one episode a line")


def parse_episode(where: str, line: bytes, *, default_id: str) -> Rollout:
    """One line as an episode; raises FormatError."""

    def refuse(constant: str) -> NoReturn:
        raise FormatError(f"{where}: {constant} in the line; write null where there is no value")

    try:
        episode = json.loads(line, parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise FormatError(f"{where}: not UTF-8 text: {error}") from error
    except json.JSONDecodeError as error:
        cut = "" if line.endswith(b"\n") else " (the line has no end: is the file cut off?)"
        raise FormatError(f"{where}: not JSON at character {error.pos}: {error.msg}{cut}") from None
    except RecursionError as error:
        raise FormatError(f"{where}: nested too deeply to be an episode") from error
    if not isinstance(episode, dict):
        raise FormatError(f"{where}: {_quote(episode)} is no object with success and steps")
    if "steps" not in episode:
        raise FormatError(f"{where}: steps is missing; an episode has success and steps")
    steps = episode.pop("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise FormatError(f"{where}: steps must be a list of objects, one a step")
    names = tuple(name for name in (steps[0] if steps else {}) if name != CLOCK)
    return make_rollout(where, episode, names, _values(where, steps, names), default_id=default_id)


def _values(where: str, steps: list[dict[str, Any]], names: tuple[str, ...]) -> NDArray[np.float64]:
    """(T, K), NaN for null."""
    values = np.empty((len(steps), len(names)))
    expected = {*names, CLOCK} if steps and CLOCK in steps[0] else set(names)
    for t, step in enumerate(steps):
        if step.keys() != expected:
            missing, more = sorted(expected - step.keys()), sorted(step.keys() - expected)
            raise FormatError(
                f"{where}: step {t} has other fields than step 0: missing {missing}, new {more}"
            )
        if CLOCK in step and whole(f"{where}, step {t}", CLOCK, step[CLOCK]) != t:
            raise FormatError(
                f"{where}: {CLOCK} is {step[CLOCK]} at step {t}; steps must be numbered 0, 1, 2, "
                "… without gaps"
            )
        for k, name in enumerate(names):
            value = step[name]
            if value is None:
                values[t, k] = np.nan
            elif isinstance(value, int | float) and not isinstance(value, bool):
                values[t, k] = _number(where, name, t, value)
            else:
                hint = "; hidden states go into an .npz file" if isinstance(value, list) else ""
                raise FormatError(
                    f"{where}: {name} at step {t} is {_quote(value)}; it must be a number{hint}"
                )
    return values


def _number(where: str, name: str, step: int, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise FormatError(f"{where}: {name} at step {step} is too large for a number") from None


def _read_line(lines: IO[bytes], where: str) -> bytes | None:
    try:
        return lines.readline() or None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{where}: the gzip file is damaged or cut off: {error}") from error


def _text(path: Path, raw: IO[bytes]) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    return raw


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
