"""The command path without a model: every proposed action goes through as it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus_data.action_space import action_space
from salus_data.types import SupervisorStatus


@dataclass(frozen=True)
class Gated:
    """What the robot is to do, and what the supervisor did to get there."""

    action: NDArray[np.float64]
    status: SupervisorStatus


class PassThrough:
    """Lets every well-formed action through, unchanged to the last bit."""

    def gate(self, space_name: str, values: NDArray[np.float64]) -> Gated:
        """The gated action of a proposed one, (D,).

        Raises:
            ActionError: it has the wrong size or is not finite; nothing may be executed.
            UnknownNameError: its action space does not exist.
        """
        action_space(space_name).check(values)
        return Gated(values, SupervisorStatus.NORMAL)
