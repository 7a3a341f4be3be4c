"""The signals of an ensemble from what its members sample: of uncertainty, and of the plan."""

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.base import Observation
from salus_collector.policy.intent import INTENT_COLUMNS, intent_signals, plan_ahead
from salus_collector.policy.signals.embedding import EmbeddingStatistics
from salus_collector.policy.signals.stream import PolicySignals
from salus_collector.policy.signals.table import POLICY_SIGNAL_COLUMNS, Sampling
from salus_collector.policy.smolvla.ensemble import Samples
from salus_data.action_space import ActionSpace
from salus_data.layout import EE_POSITION

Array = NDArray[np.float64]


class ChunkSignals:
    """Computes the signals of one episode, step by step.

    Attributes:
        intended: (T', D) what the plan of the newest samples still holds, this step's action first;
            the plan is the members' mean under the first noise, within the space's limits.
    """

    columns = (*POLICY_SIGNAL_COLUMNS, *INTENT_COLUMNS)

    def __init__(
        self, space: ActionSpace, period: float, statistics: EmbeddingStatistics | None = None
    ) -> None:
        """Begin an episode whose steps are `period` seconds apart."""
        self._space, self._period = space, period
        self._half_range = (np.array(space.high) - np.array(space.low)) / 2
        self._uncertainty = PolicySignals(period, statistics)
        self.intended: Array = np.empty((0, len(space.low)))

    def step(
        self, samples: Samples | None, observation: Observation
    ) -> tuple[Array, NDArray[np.uint8]]:
        """The signals of this step.

        Args:
            samples: of this step, and always of the first; None where the members did not look.
            observation: with the poses that the members were told.

        Returns:
            values: (K,) in the order of `columns`, NaN where a signal has no value.
            validity: (K,) `Validity`, the reason for each NaN.
        """
        if samples is None:
            own = self._uncertainty.step(None)
            self.intended = self.intended[1:]
        else:
            own = self._uncertainty.step(self.sampling(samples))
            self.intended = np.clip(mean_plan(samples), self._space.low, self._space.high)
        plan = plan_ahead(self._space, observation["state"][EE_POSITION], self.intended)
        ahead = intent_signals(plan, observation["perceived"], self._period)
        return np.concatenate([own[0], ahead[0]]), np.concatenate([own[1], ahead[1]])

    def sampling(self, samples: Samples) -> Sampling:
        """What the uncertainty is computed from: actions over half their range."""
        return Sampling(
            samples.actions / self._half_range,
            samples.velocity,
            mean_plan(samples) / self._half_range,
            samples.embedding.astype(np.float64),
        )


def mean_plan(samples: Samples) -> Array:
    """The members' mean under the first noise, (T, D) in the action space's units."""
    plan: Array = samples.actions[:, 0].mean(axis=0)
    return plan
