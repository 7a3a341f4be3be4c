"""What the supervisor is told: rules, limits and budget, from a YAML file."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from salus_data.errors import FormatError
from salus_data.types import FAILURE_TYPES
from salus_data.yaml_file import read_yaml
from salus_predictor.supervisor.intervention import Intervention

Seconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]
Probability = Annotated[float, Field(gt=0, le=1)]
Level = Literal["elevated", "alarm"] | Probability
Action = Literal["warn", "slow", "replan", "hold", "regrasp", "retreat", "stop"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """When a failure is expected, do something. Times are simulated time [s].

    Attributes:
        name: for reasons and logs; unique.
        type: name of a failure type, or `any`.
        within: read at the longest horizon of the model that is not longer than this [s].
        level: `alarm` or `elevated`, the model's calibrated thresholds, or a probability.
        clear_below: the rule ends below this level; `level` where it is not given.
        do: what is to be done.
        debounce: the level must have been reached for so long.
        min_time: it asks for at least so long,
        max_time: and at most so long, whatever the forecast says.
        cooldown: once it has ended, it does not fire again for so long.
    """

    name: str = Field(min_length=1)
    type: str
    within: Seconds
    level: Level = "alarm"
    clear_below: Level | None = None
    do: Action
    debounce: Seconds = 0.0
    min_time: Seconds = 0.2
    max_time: Seconds = 1.0
    cooldown: Seconds = 1.0

    @property
    def intervention(self) -> Intervention:
        """What is to be done, as a number that compares."""
        return Intervention[self.do.upper()]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type not in (*FAILURE_TYPES, "any"):
            raise ValueError(f"type is {self.type!r}; known: {', '.join(FAILURE_TYPES)}, any")
        if self.min_time > self.max_time:
            raise ValueError(f"min_time {self.min_time} is above max_time {self.max_time}")
        if self.clear_below is not None:
            if isinstance(self.level, float) != isinstance(self.clear_below, float):
                raise ValueError("level and clear_below are both names or both probabilities")
            order = {"elevated": 1.0, "alarm": 2.0}
            high, low = (
                order[x] if isinstance(x, str) else x for x in (self.level, self.clear_below)
            )
            if low > high:
                raise ValueError(f"clear_below {self.clear_below} is above level {self.level}")
        return self


class Budget(_Strict):
    """How often an episode may be interfered with, and what happens beyond.

    Attributes:
        interventions: rules that fired and changed actions.
        then: `warn`, rules only tell from then on, or `stop`.
    """

    interventions: int = Field(default=5, ge=0, le=1_000_000)
    then: Literal["warn", "stop"] = "warn"


class Retreat(_Strict):
    """How the arm goes back along its path.

    Attributes:
        distance: it goes so far [m].
        speed: of the gripper [m/s].
        joint_speed: in `joint_position`, of each joint [rad/s].
    """

    distance: float = Field(default=0.06, gt=0, le=1)
    speed: float = Field(default=0.15, gt=0, le=0.5)
    joint_speed: float = Field(default=0.3, gt=0, le=1)


class SupervisorConfig(_Strict):
    """Everything the supervisor is told.

    Attributes:
        schema_version: of this file.
        slow_factor: share of the proposed motion that SLOWED lets through.
        hold_limit: a hold that lasts longer becomes a stop [s of simulated time].
        retreat: how it goes back.
        budget: how often.
        rules: at least none.
    """

    schema_version: Literal[1] = 1
    slow_factor: float = Field(default=0.5, gt=0, lt=1)
    hold_limit: float = Field(default=2.0, gt=0, le=600)
    retreat: Retreat = Retreat()
    budget: Budget = Budget()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are named {twice[0]!r}")
        return self


def load_config(path: Path | str) -> SupervisorConfig:
    """Read a YAML file.

    Raises:
        FormatError: names the file, the field, its value and what it may be.
    """
    return parse_config(read_yaml(path), str(path))


def parse_config(data: object, where: str) -> SupervisorConfig:
    """The configuration from plain data; `where` names its source in errors.

    Raises:
        FormatError: as `load_config`.
    """
    if data is None:
        data = {}
    try:
        return SupervisorConfig.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        value = first["input"]
        shown = f" is {value!r}" if not isinstance(value, dict) else ""
        raise FormatError(f"{where}: {field}{shown}: {first['msg']}") from error
