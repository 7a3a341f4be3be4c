"""What is kept of an episode, and the file that keeps it, so that a study can go on later."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from salus.closed_loop.loop import Episode, Spell
from salus_collector.outcomes import end_of
from salus_data.errors import FormatError

OFF, SUPERVISED, RANDOM = "off", "supervised", "random"
ARMS = (OFF, SUPERVISED, RANDOM)
"""off: every action passes; supervised: the rules act; random: interventions at random times."""


@dataclass(frozen=True)
class Row:
    """One episode of one arm; steps count from 0.

    Attributes:
        arm: one of ARMS.
        index: place among the paired seeds; seed: of the episode.
        end: `success`, a failure type, `stopped`, `truncated` or `discarded`.
        onset: first step that shows the event, -1 for none.
        steps: rows of the episode; idle: rows at its start in which the policy waited.
        abrupt: a disturbance without a precursor was active; families: of all disturbances.
        bodies: the pair that collided, or the object.
        impulse: of contacts that count as collision, up to `aftermath` after the end [N s].
        peak: largest force of such a contact [N].
        states: steps by what was done to their actions.
        spells: interventions.
        pool: digest of what a random arm draws from; empty in the others.
    """

    arm: str
    index: int
    seed: int
    end: str
    onset: int
    steps: int
    idle: int
    abrupt: bool
    families: tuple[str, ...]
    bodies: tuple[str, ...]
    impulse: float
    peak: float
    states: dict[str, int] = field(default_factory=dict)
    spells: tuple[Spell, ...] = ()
    pool: str = ""

    @classmethod
    def of(cls, arm: str, episode: Episode, pool: str = "") -> Self:
        """The row of an episode that was run."""
        record = episode.record
        return cls(
            arm=arm,
            index=record.index,
            seed=record.seed,
            end=end_of(record),
            onset=record.onset_step,
            steps=len(episode.statuses),
            idle=record.idle_steps,
            abrupt=record.abrupt,
            families=tuple(record.disturbance),
            bodies=record.bodies,
            impulse=episode.impulse,
            peak=episode.peak,
            states=dict(Counter(status.name.lower() for status in episode.statuses)),
            spells=tuple(episode.spells),
            pool=pool,
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `asdict`."""
        spells = tuple(Spell(**spell) for spell in data["spells"])
        names = {key: tuple(data[key]) for key in ("families", "bodies")}
        return cls(**data | {"spells": spells} | names)


def digest(data: object) -> str:
    """Names plain data: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


class RowFile:
    """Rows as JSON lines, after a first line that says what study they belong to.

    Raises:
        FormatError: the file belongs to a study with other settings, or is none.
    """

    def __init__(self, path: Path, study: dict[str, Any]) -> None:
        self.path = path
        self.rows: dict[tuple[str, int], Row] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = 0
        if path.exists():
            whole = self._read(study)
        if whole == 0:
            self._append(study, "w")
        else:
            # What a kill has cut off in the middle of a line is run again.
            with path.open("r+", encoding="utf-8") as file:
                file.truncate(whole)

    def add(self, row: Row) -> None:
        """Keep a row; it replaces an earlier one of the same arm and index."""
        self.rows[row.arm, row.index] = row
        self._append(asdict(row), "a")

    def drop(self, keys: Iterable[tuple[str, int]]) -> None:
        """Forget rows that are to be run again; the file keeps them until they are replaced."""
        for key in keys:
            self.rows.pop(key, None)

    def _read(self, study: dict[str, Any]) -> int:
        """Take in every whole line; the number of bytes that they make."""
        data = self.path.read_bytes()
        lines = data.splitlines(keepends=True)
        whole = 0
        for number, line in enumerate(lines):
            if not line.endswith(b"\n"):
                break
            try:
                found = json.loads(line)
                if number == 0:
                    self._compare(found, study)
                else:
                    row = Row.from_json(found)
                    self.rows[row.arm, row.index] = row
            except (ValueError, KeyError, TypeError) as error:
                raise FormatError(f"{self.path}: line {number + 1}: {error!r}") from error
            whole += len(line)
        return whole

    def _compare(self, found: dict[str, Any], study: dict[str, Any]) -> None:
        for key, value in study.items():
            if found.get(key) != value:
                raise FormatError(
                    f"{self.path} belongs to a study with {key} {found.get(key)}, this one has "
                    f"{value}; give another --out"
                )

    def _append(self, data: dict[str, Any], mode: str) -> None:
        with self.path.open(mode, encoding="utf-8") as file:
            file.write(json.dumps(data) + "\n")
