"""The contract: what the numbers of a recording, a model or a running graph mean.

It is published on the topic `contract`, stored in the attributes of a dataset and in the folder of
a model. Two parts work together only where their contracts agree.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final, Self

from salus_data.action_space import ActionSpace
from salus_data.errors import ContractMismatchError, FormatError
from salus_data.types import FAILURE_TYPES

DEFAULT_HORIZONS: Final = (5, 10, 15, 20)
"""Horizons in steps."""

MAX_HORIZON: Final = 1_000_000
"""Steps; nine hours at 30 Hz. What is longer is a slip of the keyboard."""


@dataclass(frozen=True)
class Column:
    """One column of an array (N, columns): its name, unit and whether NaN is allowed."""

    name: str
    unit: str
    optional: bool = False


@dataclass(frozen=True)
class Contract:
    """What every step of a recording means.

    Attributes:
        step_period: seconds between two steps.
        action_space: meaning and limits of `action` and `action_proposed`.
        state: columns of the robot's measured state.
        perceived: columns of what the policy perceives of the scene.
        signals: columns of the step signals a predictor may read.
        cameras: camera names, stored as `image_<name>`.
        ensemble_size: members of the policy; 0 where it has no learnt members (the expert).
        horizons: in steps, strictly growing, 1 or more.
        failure_types: names, in the order of their numbers.
        task: one line that says what is to be done.
        policy: name of the policy that acted.
        policy_digest: of its weights and settings; empty where it has none.
        config_digest: of the settings the recording was made with.
    """

    step_period: float
    action_space: ActionSpace
    state: tuple[Column, ...]
    perceived: tuple[Column, ...]
    signals: tuple[Column, ...]
    cameras: tuple[str, ...] = ("front", "wrist")
    ensemble_size: int = 0
    horizons: tuple[int, ...] = DEFAULT_HORIZONS
    failure_types: tuple[str, ...] = FAILURE_TYPES
    task: str = ""
    policy: str = ""
    policy_digest: str = ""
    config_digest: str = ""

    def __post_init__(self) -> None:
        check_horizons(self.horizons)
        if not self.step_period > 0:
            raise FormatError(f"step_period is {self.step_period}; it must be above 0 s")

    def to_json(self) -> dict[str, Any]:
        """The contract as plain data."""
        return asdict(self) | {"action_space": self.action_space.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            FormatError: a field is missing or has the wrong shape.
        """
        try:
            columns = {
                key: tuple(Column(**column) for column in data[key])
                for key in ("state", "perceived", "signals")
            }
            lists = {key: tuple(data[key]) for key in ("cameras", "horizons", "failure_types")}
            return cls(
                **data
                | columns
                | lists
                | {"action_space": ActionSpace.from_json(data["action_space"])}
            )
        except (KeyError, TypeError) as error:
            raise FormatError(f"not a contract: {error}") from error

    def digest(self) -> str:
        """SHA-256 of the contract's JSON, 16 hexadecimal digits."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def require_same_meaning(self, other: "Contract") -> None:
        """Check that both describe the same numbers; policy and digests may differ.

        Raises:
            ContractMismatchError: names the first field that differs and both values.
        """
        for field in (
            "step_period",
            "action_space",
            "state",
            "perceived",
            "signals",
            "cameras",
            "failure_types",
        ):
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise ContractMismatchError(f"contracts differ in {field}: {mine} and {theirs}")


def check_horizons(horizons: tuple[int, ...]) -> None:
    """Raise FormatError unless the horizons [steps] are strictly growing whole numbers from 1."""
    growing = all(a < b for a, b in pairwise(horizons))
    if not horizons or not growing or not all(map(_is_horizon, horizons)):
        raise FormatError(
            f"horizons {list(horizons)}: give strictly growing whole numbers of steps, 1 to "
            f"{MAX_HORIZON:,}, such as {','.join(map(str, DEFAULT_HORIZONS))}"
        )


def _is_horizon(steps: float) -> bool:
    return 1 <= steps <= MAX_HORIZON and int(steps) == steps
