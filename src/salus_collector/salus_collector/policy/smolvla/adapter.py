"""How a policy's `observation.state`, its cameras and its actions map to ours: one file, checked.

`salus_adapter.json` in a checkpoint says it declaratively, so that the same numbers are made when a
dataset is exported, when a policy is trained and when it acts. An entry of its `state` list is one
component:

    {"column": "ee.x"}                                   a column of `state` or `perceived`
    {"sum": {"object.x": 1, "ee.x": -1}, "fill": 0.0}    a weighted sum of columns
    {"turn": "object", "axis": "z", "fill": 0.0}         rotation vector component, see below
    {"seen": "obstacle"}                                 1 where the object is perceived, else 0
    {"executed": 6, "fill": 1.0}                         component of the action executed last

`fill` stands for a value that is missing: a column that is NaN, or no action executed yet. A `turn`
is the rotation that points the hand down and its fingers square to the perceived object
(`geometry.rotation_error`), in the base frame.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import Observation
from salus_collector.policy.geometry import (
    downward_orientation,
    matrix_from_quaternion,
    rotation_error,
    yaw_from_quaternion,
)
from salus_data.action_space import ActionSpace
from salus_data.errors import FormatError, UnknownNameError
from salus_data.layout import EE_QUATERNION, OBJECTS, PERCEIVED, STATE, object_slice

Array = NDArray[np.float64]

FILE: Final = "salus_adapter.json"
SCHEMA_VERSION: Final = 1
KINDS: Final = ("column", "sum", "turn", "seen", "executed")
AXES: Final = ("x", "y", "z")
CAMERAS: Final = ("front", "wrist")

_COLUMNS: Final = {column.name: i for i, column in enumerate((*STATE, *PERCEIVED))}


@dataclass(frozen=True)
class Adapter:
    """What stands between a checkpoint and our observations and actions.

    Attributes:
        action_space: of the actions that the policy gives, after its post-processor.
        state: entries of `observation.state`, one a component; see the module.
        cameras: image feature -> camera, `{"observation.images.front": "front"}`; empty for none.
        n_action_steps: actions of a chunk that are executed before the next is planned.
        provenance: how the checkpoint came about, for people.
    """

    action_space: ActionSpace
    state: tuple[dict[str, Any], ...]
    cameras: dict[str, str] = field(default_factory=dict)
    n_action_steps: int = 4
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.state:
            raise FormatError("an adapter needs one `state` entry at least")
        for number, entry in enumerate(self.state):
            _check_entry(number, entry, self.action_space)
        for feature, camera in self.cameras.items():
            if camera not in CAMERAS:
                raise UnknownNameError(f"camera of {feature}", camera, CAMERAS)
        if not isinstance(self.n_action_steps, int) or self.n_action_steps < 1:
            raise FormatError(f"n_action_steps is {self.n_action_steps!r}; 1 or more")
        object.__setattr__(self, "_compiled", _Compiled(self.state))

    @property
    def size(self) -> int:
        """Components of `observation.state`."""
        return len(self.state)

    @property
    def names(self) -> list[str]:
        """A short name for every component, for the features of a dataset."""
        return [_entry_name(entry) for entry in self.state]

    def vector(self, observation: Observation, executed: Array | None) -> Array:
        """`observation.state` (S,) of one observation.

        Args:
            observation: with `state` (34,) and `perceived` (30,).
            executed: (D,) the action executed last; None before the first.

        Raises:
            FormatError: a component without `fill` is not finite.
        """
        last = None if executed is None else np.asarray(executed, dtype=np.float64)[None]
        rows = self.matrix(observation["state"][None], observation["perceived"][None], last)
        row: Array = rows[0]
        return row

    def matrix(self, state: Array, perceived: Array, executed: Array | None) -> Array:
        """`observation.state` of many observations, (T, S).

        Args:
            state: (T, 34).
            perceived: (T, 30).
            executed: (T, D) the action executed before each; NaN rows, or None, for none.

        Raises:
            FormatError: a component without `fill` is not finite.
        """
        compiled: _Compiled = self._compiled  # type: ignore[attr-defined]
        out = compiled.apply(np.asarray(state, float), np.asarray(perceived, float), executed)
        if not np.isfinite(out).all():
            row, component = np.argwhere(~np.isfinite(out))[0]
            raise FormatError(
                f"observation.state[{component}] ({self.names[component]}) is "
                f"{out[row, component]} and its entry {self.state[component]} has no `fill`"
            )
        return out

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "schema_version": SCHEMA_VERSION,
            "action_space": self.action_space.to_json(),
            "state": list(self.state),
            "cameras": dict(self.cameras),
            "n_action_steps": self.n_action_steps,
            "provenance": self.provenance,
        }

    @classmethod
    def from_json(cls, data: Any, *, where: str = "adapter") -> Self:
        """The inverse of `to_json`.

        Raises:
            FormatError: a field is missing, unknown or has the wrong type; names `where`.
        """
        known = {"schema_version", "action_space", "state", "cameras", "n_action_steps"}
        try:
            if not isinstance(data, dict):
                raise FormatError(f"not an object: {data!r:.60}")
            if unknown := sorted(set(data) - known - {"provenance"}):
                raise FormatError(f"unknown fields {unknown}; known: {sorted(known)}")
            if missing := sorted(known - set(data)):
                raise FormatError(f"fields {missing} are missing")
            if data["schema_version"] != SCHEMA_VERSION:
                raise FormatError(f"schema_version is {data['schema_version']!r}, not 1")
            return cls(
                ActionSpace.from_json(data["action_space"]),
                tuple(dict(entry) for entry in data["state"]),
                {str(k): str(v) for k, v in data["cameras"].items()},
                data["n_action_steps"],
                dict(data.get("provenance", {})),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{where}: {error}") from error

    def write(self, checkpoint: Path) -> None:
        """Write the file into a checkpoint folder."""
        text = json.dumps(self.to_json(), indent=1) + "\n"
        (checkpoint / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, checkpoint: Path) -> Self:
        """Read the file of a checkpoint folder.

        Raises:
            FormatError: it is not there, or not an adapter.
        """
        path = checkpoint / FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FormatError(
                f"{path}: no such file; it says how `observation.state` is made from a robot's "
                "state, and every checkpoint needs one (docs/POLICY.md)"
            ) from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise FormatError(f"{path}: not JSON: {error}") from error
        return cls.from_json(data, where=str(path))


class _Compiled:
    """The entries as index arrays, so that a step costs a few array operations."""

    def __init__(self, entries: Sequence[dict[str, Any]]) -> None:
        self.size = len(entries)
        self.fill = np.array([entry.get("fill", np.nan) for entry in entries], dtype=np.float64)
        self.executed: list[tuple[int, int]] = []
        self.seen: list[tuple[int, int]] = []
        self.turns: dict[str, list[tuple[int, int]]] = {}
        sums: list[tuple[int, dict[str, float]]] = []
        for place, entry in enumerate(entries):
            if "executed" in entry:
                self.executed.append((place, entry["executed"]))
            elif "seen" in entry:
                self.seen.append((place, len(STATE) + object_slice(entry["seen"]).start))
            elif "turn" in entry:
                places = self.turns.setdefault(entry["turn"], [])
                places.append((place, AXES.index(entry["axis"])))
            else:
                sums.append((place, entry.get("sum") or {entry["column"]: 1.0}))
        self.sum_places = np.array([place for place, _ in sums], dtype=np.intp)
        terms = max((len(weights) for _, weights in sums), default=1)
        self.columns = np.zeros((len(sums), terms), dtype=np.intp)
        self.weights = np.zeros((len(sums), terms))
        for number, (_, weights) in enumerate(sums):
            indices = [_COLUMNS[name] for name in weights]
            # Unused terms repeat a used column with weight 0, so that NaN comes from none else.
            self.columns[number] = indices[0]
            self.columns[number, : len(indices)] = indices
            self.weights[number, : len(indices)] = list(weights.values())

    def apply(self, state: Array, perceived: Array, executed: Array | None) -> Array:
        every = np.concatenate([state, perceived], axis=1)
        out = np.full((len(every), self.size), np.nan)
        if self.sum_places.size:
            out[:, self.sum_places] = (every[:, self.columns] * self.weights).sum(axis=2)
        for place, column in self.seen:
            out[:, place] = np.isfinite(every[:, column])
        if executed is not None:
            for place, component in self.executed:
                out[:, place] = executed[:, component]
        for name, places in self.turns.items():
            turns = _turns(state, perceived[:, object_slice(name)])
            for place, axis in places:
                out[:, place] = turns[:, axis]
        return np.where(np.isnan(out), self.fill, out)


def _turns(state: Array, seen: Array) -> Array:
    """The rotation vectors (T, 3) that bring the hand square over the object; NaN where unseen."""
    out = np.full((len(state), 3), np.nan)
    for row in np.flatnonzero(np.isfinite(seen).all(axis=1)):
        wanted = downward_orientation(yaw_from_quaternion(seen[row, 3:7]))
        out[row] = rotation_error(wanted, matrix_from_quaternion(state[row, EE_QUATERNION]))
    return out


def _entry_name(entry: dict[str, Any]) -> str:
    if "sum" in entry:
        terms = (
            f"{w:+g}*{name}" if abs(w) != 1 else f"{'+' if w > 0 else '-'}{name}"
            for name, w in entry["sum"].items()
        )
        return "".join(terms).removeprefix("+")
    kind = next(kind for kind in KINDS if kind in entry)
    return (
        entry[kind]
        if kind == "column"
        else ".".join(
            str(part) for part in (kind, entry[kind], entry.get("axis")) if part is not None
        )
    )


def _check_entry(number: int, entry: dict[str, Any], space: ActionSpace) -> None:
    where = f"state[{number}] {entry}"
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise FormatError(f"{where}: needs exactly one of {', '.join(KINDS)}")
    kind = kinds[0]
    allowed = {kind} | {"turn": {"axis", "fill"}, "seen": set()}.get(kind, {"fill"})
    if unknown := sorted(set(entry) - allowed):
        raise FormatError(f"{where}: unknown {unknown}; known: {sorted(allowed)}")
    numbers = [entry["fill"]] if "fill" in entry else []
    if kind in ("column", "sum"):
        columns = entry["sum"] if kind == "sum" else {entry["column"]: 1.0}
        if not isinstance(columns, dict) or not columns:
            raise FormatError(f"{where}: `sum` is {{column: weight}}, one at least")
        for name in columns:
            if name not in _COLUMNS:
                raise UnknownNameError(f"column of state[{number}]", name, _COLUMNS)
        numbers += list(columns.values())
    elif kind in ("turn", "seen"):
        if entry[kind] not in OBJECTS:
            raise UnknownNameError(f"object of state[{number}]", entry[kind], OBJECTS)
        if kind == "turn" and entry.get("axis") not in AXES:
            raise UnknownNameError(f"axis of state[{number}]", entry.get("axis"), AXES)
    elif not isinstance(entry["executed"], int) or not 0 <= entry["executed"] < space.size:
        raise FormatError(f"{where}: `executed` is a component 0..{space.size - 1}")
    elif "fill" not in entry:
        raise FormatError(f"{where}: needs `fill` for the first step, when no action was executed")
    for value in numbers:
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise FormatError(f"{where}: {value!r} is not a finite number")
