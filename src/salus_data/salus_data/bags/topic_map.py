"""The topic map: what the topics of somebody else's robot mean (docs/BAGS.md has an example)."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from salus_data.action_space import ActionSpace
from salus_data.contract import DEFAULT_HORIZONS, Column, Contract
from salus_data.errors import FormatError
from salus_data.types import FAILURE_TYPES

SCHEMA_VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Numbers of a topic.

    Attributes:
        topic: its absolute name.
        fields: dotted paths into the message, such as `position` or `pose.position`; a path that
            leads to a vector or a message gives all its numbers, in the order of their definition.
        columns: one name a number.
        units: one SI unit a number, "1" for a ratio; a single one stands for all.
    """

    topic: str
    fields: Annotated[list[str], Field(min_length=1)]
    columns: Annotated[list[str], Field(min_length=1)]
    units: Annotated[list[str], Field(min_length=1)]

    @model_validator(mode="after")
    def _units_fit(self) -> Self:
        if len(self.units) not in (1, len(self.columns)):
            raise ValueError(
                f"units has {len(self.units)} entries for {len(self.columns)} columns; "
                "give one, or one a column"
            )
        return self

    def contract_columns(self, *, optional: bool = False) -> tuple[Column, ...]:
        """The columns that this source fills."""
        units = self.units * len(self.columns) if len(self.units) == 1 else self.units
        return tuple(Column(n, u, optional) for n, u in zip(self.columns, units, strict=True))


class ActionSource(Source):
    """The executed action.

    Attributes:
        space: name of the action space.
        low, high: limits of each component, in its unit.
    """

    space: str
    low: list[float]
    high: list[float]

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if not len(self.low) == len(self.high) == len(self.columns):
            raise ValueError(
                f"low has {len(self.low)} and high {len(self.high)} limits for "
                f"{len(self.columns)} columns"
            )
        return self


class Camera(_Strict):
    """A camera: a topic of sensor_msgs/Image (rgb8, bgr8, mono8) or CompressedImage."""

    topic: str


class Event(_Strict):
    """Something that happened: a message of `topic` whose `field` equals `equals`.

    Without `field` every message of the topic is the event.
    """

    topic: str
    field: str | None = None
    equals: str | int | float | bool | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.field is None) != (self.equals is None):
            raise ValueError("give `field` and `equals`, or neither")
        return self


class Episodes(_Strict):
    """Where episodes begin and end: `whole_bag`, `labels` (the CSV), or `events`."""

    divided_by: Literal["whole_bag", "labels", "events"]
    start: Event | None = None
    end: Event | None = None

    @model_validator(mode="after")
    def _events_given(self) -> Self:
        if (self.divided_by == "events") != (self.start is not None and self.end is not None):
            raise ValueError("`start` and `end` are given exactly where divided_by is `events`")
        return self


class Outcomes(_Strict):
    """Events that decide how an episode ended; the first of them counts.

    Attributes:
        success: the event of success.
        failures: failure type -> its event.
    """

    success: Event | None = None
    failures: dict[str, Event] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _types_known(self) -> Self:
        if unknown := sorted(set(self.failures) - set(FAILURE_TYPES)):
            raise ValueError(f"failures names {unknown}; known: {', '.join(FAILURE_TYPES)}")
        return self


class TopicMap(_Strict):
    """A whole map.

    Attributes:
        schema_version: 1.
        rate: steps a second [Hz]; bags whose steps are further apart are refused.
        step_topic: each of its messages is one step.
        stamp: which time joins: of the `header`, or the `log` time of the bag.
        tolerance: how old a value may be at a step [s]; older is missing.
        unlabelled: what becomes of an episode without an outcome: `refuse` it, or take it as
            `truncated`, which says that how it would have ended is not known.
    """

    schema_version: Literal[1]
    rate: Annotated[float, Field(gt=0, le=1000)]
    step_topic: str
    stamp: Literal["header", "log"] = "header"
    tolerance: Annotated[float, Field(gt=0, le=10)]
    task: str = ""
    policy: str = ""
    state: Annotated[list[Source], Field(min_length=1)]
    action: ActionSource
    action_proposed: Source | None = None
    signals: list[Source] = Field(default_factory=list)
    cameras: dict[str, Camera] = Field(default_factory=dict)
    episodes: Episodes
    outcomes: Outcomes = Outcomes()
    horizons: list[int] = list(DEFAULT_HORIZONS)
    unlabelled: Literal["refuse", "truncated"] = "refuse"

    def contract(self) -> Contract:
        """The contract of a store that is imported with this map."""
        action = self.action
        columns = action.contract_columns()
        return Contract(
            step_period=1.0 / self.rate,
            action_space=ActionSpace(
                action.space,
                tuple(column.name for column in columns),
                tuple(column.unit for column in columns),
                tuple(action.low),
                tuple(action.high),
            ),
            state=tuple(c for source in self.state for c in source.contract_columns()),
            perceived=(),
            signals=tuple(c for s in self.signals for c in s.contract_columns(optional=True)),
            cameras=tuple(self.cameras),
            horizons=tuple(self.horizons),
            task=self.task,
            policy=self.policy,
        )

    def events(self) -> list[tuple[str, Event]]:
        """Every event with what it means: `start`, `end`, `success` or a failure type."""
        found = [("start", self.episodes.start), ("end", self.episodes.end)]
        found += [("success", self.outcomes.success), *self.outcomes.failures.items()]
        return [(name, event) for name, event in found if event is not None]


def load_topic_map(path: Path) -> TopicMap:
    """Read and check a topic map.

    Raises:
        FormatError: one line that names the file, the field, its value and what is valid.
    """
    try:
        return TopicMap.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FormatError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise FormatError(f"{path}: {where}: {first['msg']}, given {first['input']!r}") from error
