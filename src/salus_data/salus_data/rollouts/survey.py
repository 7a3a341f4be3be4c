"""What all episodes of some step logs have in common: the contract they can be stored under."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from salus_data.action_space import NO_ACTION
from salus_data.contract import DEFAULT_HORIZONS, Column, Contract
from salus_data.errors import FormatError, UnknownNameError
from salus_data.rollouts.rollout import Rollout
from salus_data.types import FAILURE_TYPES

FAILURE = "failure"
"""The type of a failure about which nothing else is known."""


@dataclass
class Survey:
    """Facts about all episodes, gathered in one pass; refuses episodes that do not belong together.

    Attributes:
        names: of the signals, in the order of the first episode.
        optional: signals that are null at some step.
        embedding_size: width of the hidden states; 0 for none.
        types: names of the failure types that occur, `` for a failure without one.
        tasks: that occur.
        seen: where each episode id was read.
    """

    names: tuple[str, ...] = ()
    optional: set[str] = field(default_factory=set)
    embedding_size: int = 0
    types: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    seen: dict[str, str] = field(default_factory=dict)
    rows: int = 0

    def add(self, rollout: Rollout) -> None:
        """Note one episode.

        Raises:
            FormatError: its signals or hidden states are others than those of the first episode,
                or its id was read before.
        """
        size = 0 if rollout.embedding is None else rollout.embedding.shape[1]
        if not self.seen:
            self.names, self.embedding_size = rollout.names, size
        first = next(iter(self.seen.values()), rollout.where)
        if set(rollout.names) != set(self.names):
            missing = sorted(set(self.names) - set(rollout.names))
            more = sorted(set(rollout.names) - set(self.names))
            raise FormatError(
                f"{rollout.where}: other signals than in {first}: missing {missing}, new {more}"
            )
        if size != self.embedding_size:
            raise FormatError(
                f"{rollout.where}: hidden_states has width {size}, in {first} it has "
                f"{self.embedding_size}; 0 is none"
            )
        if rollout.id in self.seen:
            raise FormatError(
                f"{rollout.where}: episode_id is {rollout.id!r} as in {self.seen[rollout.id]}; "
                "ids must differ (task_id and episode_id together)"
            )
        self.seen[rollout.id] = rollout.where
        empty = np.isnan(rollout.values)
        self.optional |= {name for k, name in enumerate(rollout.names) if empty[:, k].any()}
        if not rollout.success:
            self.types.add(rollout.failure_type)
        self.tasks.add(rollout.task)
        self.rows += rollout.n_rows

    def contract(
        self,
        step_period: float,
        *,
        units: Mapping[str, str] | None = None,
        policy: str = "unknown",
        horizons: Iterable[int] = DEFAULT_HORIZONS,
    ) -> Contract:
        """The contract of these episodes.

        Raises:
            UnknownNameError: a unit is given for a signal that is not there.
        """
        units = units or {}
        for name in units:
            if name not in self.names:
                raise UnknownNameError("signal in --units", name, self.names)
        return Contract(
            step_period=step_period,
            action_space=NO_ACTION,
            state=(),
            perceived=(),
            signals=tuple(
                Column(name, units.get(name, "1"), name in self.optional) for name in self.names
            ),
            cameras=(),
            horizons=tuple(horizons),
            failure_types=self.failure_types,
            task=next(iter(self.tasks)) if len(self.tasks) == 1 else "",
            policy=policy,
        )

    @property
    def failure_types(self) -> tuple[str, ...]:
        """Names by number. The four that have a number of their own keep it."""
        named = self.types - {""}
        known = FAILURE_TYPES if named & set(FAILURE_TYPES) else ()
        other = tuple(sorted(named - set(FAILURE_TYPES) - {FAILURE}))
        untyped = (FAILURE,) if "" in self.types or FAILURE in named or not named else ()
        return (*known, *other, *untyped)
