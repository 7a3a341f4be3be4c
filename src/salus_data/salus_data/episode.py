"""The record of one episode: what was asked, what happened and when, as physics reported it."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from salus_data.errors import FormatError
from salus_data.types import NO_FAILURE, Outcome


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode of a dataset; steps count from 0, -1 stands for none or unknown.

    Attributes:
        id: unique name, `<root seed>-<index>`.
        index: place in the collection; seed and disturbance follow from root seed and index.
        seed: of everything drawn in the episode.
        task: what was to be done.
        disturbance: what was disturbed: {family: {parameter: value}}, empty for none.
        abrupt: a disturbance without precursor (a glitch, a push) was active.
        policy: who acted.
        outcome: how it ended.
        failure_type: number of the failure; NO_FAILURE unless the outcome is FAILURE.
        onset_step: first row that shows the event that ended the episode; -1 unknown.
        confirm_step: row at which what followed had confirmed it.
        onset_time: seconds from the first row to the onset, to the substep; NaN unknown.
        timeout_kind: `stall` or `limit`; empty otherwise.
        bodies: the two bodies of a contact, or the object dropped or missed.
        force: largest contact force [N]; NaN where the event has none.
        first_intervention_step: first row whose executed action the supervisor changed.
        idle_steps: rows at the start in which the policy was told to wait.
        milestones: rows at which the task got further, with their names.
        event_source: `physics`, `topic` (told by a topic of an imported bag), `last_step`
            (assumed), `human`, `imported` (a step log said so), `unknown`.
    """

    id: str
    index: int
    seed: int
    task: str = ""
    disturbance: dict[str, dict[str, Any]] = field(default_factory=dict)
    abrupt: bool = False
    policy: str = ""
    outcome: Outcome = Outcome.UNKNOWN
    failure_type: int = NO_FAILURE
    onset_step: int = -1
    confirm_step: int = -1
    onset_time: float = float("nan")
    timeout_kind: str = ""
    bodies: tuple[str, ...] = ()
    force: float = float("nan")
    first_intervention_step: int = -1
    idle_steps: int = 0
    milestones: tuple[tuple[str, int], ...] = ()
    event_source: str = "physics"

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON data; NaN becomes null."""
        data = asdict(self) | {"outcome": self.outcome.name}
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in data.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`; fields of later versions are refused, not ignored.

        Raises:
            FormatError: a field is missing, unknown or has the wrong type.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise FormatError(f"episode record has unknown fields {unknown}, not {sorted(known)}")
        values = dict(data)
        try:
            values["outcome"] = Outcome[values["outcome"]]
            values["bodies"] = tuple(values.get("bodies", ()))
            values["milestones"] = tuple((str(n), int(s)) for n, s in values.get("milestones", ()))
            for name in ("onset_time", "force"):
                if values.get(name) is None:
                    values[name] = float("nan")
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"not an episode record: {error!r}") from error
