"""The interface of a policy: what it is told, and what it answers. No ROS, no simulator.

An observation is a mapping of arrays named as in the dataset (docs/DATA_FORMAT.md):
`state` (34,) and `perceived` (30,) float64 in the column order of `salus_data.layout`, and
`image_<camera>` (H, W, 3) uint8. The same dictionary leaves the Gymnasium environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import ActionSpace
from salus_data.contract import Column

Observation = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class EpisodeStart:
    """What a policy is told before the first step of an episode."""

    seed: int
    task: str
    step_period: float  # [s]


@dataclass(frozen=True)
class Decision:
    """What a policy answers to one observation.

    Attributes:
        action: (D,) in the policy's action space.
        chunk: (T, D) actions it intends, this one first; None where it plans one step at a time.
        intended: (T', D) the newest plan, this step's action first: what it would do if it took
            up its last thoughts at once, which may be newer than the chunk; None where it tells
            none.
        chunk_phase: steps since the chunk was computed; -1 without chunks.
        signals: (K,) in the order of `Policy.signals`, NaN where one has no value.
        validity: (K,) `salus_data.types.Validity`, the reason for each NaN.
        embedding: (E,) pooled hidden state, NaN while the policy waits; None where it has none.
    """

    action: NDArray[np.float64]
    chunk: NDArray[np.float64] | None = None
    chunk_phase: int = -1
    signals: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    validity: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    embedding: NDArray[np.float32] | None = None
    intended: NDArray[np.float64] | None = None


class Policy(Protocol):
    """Maps observations to actions; one object serves many episodes, one after the other."""

    @property
    def name(self) -> str:
        """Short name, as the records of its episodes show it."""

    @property
    def digest(self) -> str:
        """Of weights and settings, 16 hexadecimal digits; empty where it has none."""

    @property
    def action_space(self) -> ActionSpace:
        """What its actions mean."""

    @property
    def signals(self) -> tuple[Column, ...]:
        """The uncertainty signals it computes; none for a script."""

    @property
    def ensemble_size(self) -> int:
        """Learnt members; 0 for a script."""

    @property
    def embedding_size(self) -> int:
        """Width E of the embedding of each decision; 0 where it has none."""

    @property
    def needs_images(self) -> bool:
        """Whether `image_<camera>` must be in the observation."""

    def reset(self, start: EpisodeStart) -> None:
        """Begin an episode; the same seed and observations give the same actions, bitwise."""

    def act(self, observation: Observation) -> Decision:
        """Answer one observation; called once a step, in order."""

    def executed(self, action: NDArray[np.float64]) -> None:
        """Hear which action was executed at the step of the last `act`, (D,)."""
