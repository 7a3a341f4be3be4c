"""Where a chunk of actions would lead the gripper, for viewers."""

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import DELTA_EE, ActionSpace

Array = NDArray[np.float64]


def chunk_positions(space: ActionSpace, position: Array, chunk: Array) -> Array | None:
    """The gripper's positions after each action of a chunk, as if the arm followed at once.

    Args:
        space: of the actions.
        position: (3,) m, where the gripper is, base frame.
        chunk: (T, D).

    Returns:
        (T + 1, 3) m, the present position first; None for a space whose actions say nothing about
        the gripper's position without the arm's kinematics.
    """
    if space.name != DELTA_EE.name:
        return None
    return np.vstack([position, position + np.cumsum(chunk[:, :3], axis=0)])
