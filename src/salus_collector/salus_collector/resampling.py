"""The policy's signals of recorded episodes, as a smaller ensemble would have given them.

The whole ensemble looks at the recorded observations again, at the steps and under the noises of
the recording, and is told which actions were executed. So it samples what it sampled then, and the
signals of its first n members follow from their share of the samples. What was executed stays the
work of the whole ensemble: the size's effect on the signals, not on the behaviour.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.perception.looking import LookingPolicy
from salus_collector.policy.base import EpisodeStart, Observation, Policy
from salus_collector.policy.runner import PolicyRunner
from salus_collector.policy.smolvla.chunk_signals import ChunkSignals
from salus_collector.policy.smolvla.ensemble import Samples
from salus_collector.policy.smolvla.policy import SmolVLA
from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import PolicyError

Arrays = dict[str, NDArray[Any]]

SAME_ACTION: Final = 1e-3
"""Difference, over half a component's range, up to which an action is the recorded one: far more
than what another processor rounds differently, far less than what another policy does."""


def ensemble_of(policy: Policy) -> SmolVLA:
    """The SmolVLA ensemble that acts in a policy.

    Raises:
        PolicyError: none does.
    """
    inner = policy.policy if isinstance(policy, LookingPolicy) else policy
    if not isinstance(inner, SmolVLA):
        raise PolicyError(f"policy {policy.name} is no ensemble of SmolVLA, so it has no members")
    return inner


def check_sizes(policy: Policy, sizes: Sequence[int]) -> None:
    """Refuse sizes that the ensemble cannot have.

    Raises:
        PolicyError: one is below 2 or above the ensemble's size, or comes twice.
    """
    most = policy.ensemble_size
    for size in sizes:
        if not 2 <= size <= most:
            raise PolicyError(
                f"--members has {size}; 2 to {most}, as policy {policy.name} has {most} members "
                "and one alone has nobody to disagree with"
            )
    if len(set(sizes)) < len(sizes) or not sizes:
        raise PolicyError(f"--members is {list(sizes)}; one or more sizes, each once")


class Resampler:
    """Computes the signals of the first members from recorded episodes.

    Attributes:
        episodes: how many were computed so far.
        difference: largest difference in them of a signal of all members from the recorded one,
            over the larger of 1 and the recorded one's size.
    """

    def __init__(self, policy: Policy, sizes: Sequence[int]) -> None:
        """Prepare for so many members each; errors as of `check_sizes` and `ensemble_of`."""
        self._ensemble, self._runner = ensemble_of(policy), PolicyRunner(policy)
        check_sizes(policy, sizes)
        self._ensemble.on_look = self._hear
        self._sizes = tuple(sizes)
        self._streams: dict[int, ChunkSignals] = {}
        self._steps: dict[int, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
        self.episodes, self.difference = 0, 0.0

    def episode(
        self, contract: Contract, record: EpisodeRecord, arrays: Arrays
    ) -> dict[int, tuple[NDArray[np.float32], NDArray[np.uint8]]]:
        """The signals (T, K) and their validity (T, K) for each number of members.

        Args:
            contract: of the store.
            record: of the episode.
            arrays: of the store over the episode, with the images that the policy looks at.

        Raises:
            PolicyError: the policy proposes something else than what was recorded.
        """
        names = [column.name for column in contract.signals]
        columns = [names.index(column.name) for column in ChunkSignals.columns]
        every = (*self._sizes, self._ensemble.ensemble_size)
        self._streams = {n: self._ensemble.new_signals(contract.step_period) for n in every}
        self._steps = {n: [] for n in every}
        self._replay(contract, record, arrays)
        found = {}
        for size, steps in self._steps.items():
            values, validity = arrays["signals"].copy(), arrays["signal_validity"].copy()
            if steps:
                values[record.idle_steps :, columns] = np.stack([step[0] for step in steps])
                validity[record.idle_steps :, columns] = np.stack([step[1] for step in steps])
            found[size] = values, validity
        self.episodes += 1
        whole = found[self._ensemble.ensemble_size][0]
        self._compare(whole[:, columns], arrays["signals"][:, columns])
        return {size: found[size] for size in self._sizes}

    def _replay(self, contract: Contract, record: EpisodeRecord, arrays: Arrays) -> None:
        """Have the policy answer the recorded observations, told what was executed."""
        space = contract.action_space
        half_range = (np.array(space.high) - np.array(space.low)) / 2
        start = EpisodeStart(record.seed, contract.task, contract.step_period)
        self._runner.begin(start, record.idle_steps)
        seen = [n for n in arrays if n in ("state", "perceived") or n.startswith("image_")]
        for step, (proposed, done) in enumerate(
            zip(arrays["action_proposed"], arrays["action"], strict=True)
        ):
            action = self._runner.decide({name: arrays[name][step] for name in seen}).action
            off = float((np.abs(action - proposed) / half_range).max())
            if not off <= SAME_ACTION:
                raise PolicyError(
                    f"episode {record.id}: at step {step} the policy proposes "
                    f"{np.round(action, 4).tolist()}, recorded is "
                    f"{np.round(proposed, 4).tolist()}; another policy, or one that was told to "
                    "plan anew"
                )
            # What is the same but for rounding must not look like somebody's intervention.
            self._runner.executed(action if np.array_equal(done, proposed) else done)

    def _hear(self, samples: Samples | None, observation: Observation) -> None:
        for size, stream in self._streams.items():
            own = None if samples is None else samples.first(size)
            self._steps[size].append(stream.step(own, observation))

    def _compare(self, computed: NDArray[np.float32], recorded: NDArray[np.float32]) -> None:
        if computed.size == 0:
            return
        off = np.abs(computed - recorded) / np.maximum(1, np.abs(recorded))
        off[np.isnan(computed) & np.isnan(recorded)] = 0
        self.difference = max(self.difference, float(np.nan_to_num(off, nan=np.inf).max()))
