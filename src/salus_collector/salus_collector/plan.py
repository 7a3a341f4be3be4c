"""What an episode is to be: its seed and its disturbance, from root seed and index alone.

Nothing else enters, so the set of episodes is the same for any number of workers, in any order.
"""

from dataclasses import dataclass

import numpy as np

from salus_collector.sim.disturbance_config import DisturbanceMix


@dataclass(frozen=True)
class EpisodePlan:
    """One episode before it is run.

    Attributes:
        id: `<root seed>-<index>`, the index with six digits.
        index: place in the collection, from 0.
        seed: of everything drawn in the episode, below 2**53 so that JSON keeps it.
        disturbance: {family: {parameter: value}}, empty for none.
        abrupt: one of the families strikes without a precursor.
    """

    id: str
    index: int
    seed: int
    disturbance: dict[str, dict[str, float]]
    abrupt: bool


def plan_episode(root_seed: int, index: int, mix: DisturbanceMix) -> EpisodePlan:
    """The episode at `index` (0 or more) of the collection that `root_seed` (0 or more) names.

    The seed does not depend on the mix: with another mix the same scenes come, so that outcomes
    can be compared in pairs.

    Raises:
        ValueError: the root seed or the index is negative.
    """
    if root_seed < 0 or index < 0:
        raise ValueError(f"root seed {root_seed} and index {index} must be 0 or more")
    # The keys 0 and 1 keep the two streams of one episode apart.
    state = np.random.SeedSequence(root_seed, spawn_key=(index, 0)).generate_state(1, np.uint64)
    stream = np.random.SeedSequence(root_seed, spawn_key=(index, 1))
    disturbance = mix.draw(np.random.default_rng(stream))
    return EpisodePlan(
        id=f"{root_seed}-{index:06d}",
        index=index,
        seed=int(state[0]) >> 11,
        disturbance=disturbance,
        abrupt=mix.is_abrupt(disturbance),
    )
