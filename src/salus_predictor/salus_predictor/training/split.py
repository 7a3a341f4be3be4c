"""Training and validation episodes: split by seed, so that no seed is on both sides."""

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_data.types import Outcome
from salus_predictor.steps import StepData

Numbers = NDArray[np.int64]


def split_by_seed(data: StepData, validation: float, seed: int) -> tuple[Numbers, Numbers]:
    """Numbers of the training and of the validation episodes.

    Episodes of the same seed stay together; every ending has about the same share on both sides.

    Args:
        data: E episodes.
        validation: share of the seeds that validates, above 0 and below 1.
        seed: of the draw.

    Raises:
        FormatError: one side would be empty.
    """
    if not 0 < validation < 1:
        raise FormatError(f"--validation is {validation}; give a share above 0 and below 1")
    random = np.random.default_rng([seed, 0x5EED])
    groups: dict[int, list[int]] = {}
    for number, record in enumerate(data.records):
        groups.setdefault(record.seed, []).append(number)
    strata: dict[tuple[int, int], list[int]] = {}
    for group, members in groups.items():
        record = data.records[members[0]]
        kind = record.failure_type if record.outcome is Outcome.FAILURE else -1
        strata.setdefault((int(record.outcome), kind), []).append(group)
    chosen: list[int] = []
    for key in sorted(strata):
        seeds = random.permutation(strata[key])
        # A random share of the remainder, so that rare endings are not always left out.
        count = int(np.floor(validation * len(seeds) + random.uniform()))
        chosen += [member for group in seeds[:count] for member in groups[int(group)]]
    held = np.zeros(len(data), bool)
    held[chosen] = True
    train, validate = np.flatnonzero(~held), np.flatnonzero(held)
    if not len(train) or not len(validate):
        raise FormatError(
            f"{len(data)} episode(s) of {len(groups)} seed(s) cannot be split into training and "
            f"validation with --validation {validation}: collect more"
        )
    return train, validate
