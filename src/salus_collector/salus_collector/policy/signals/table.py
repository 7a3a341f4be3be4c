"""The uncertainty signals of a policy: one definition each, for code and docs/SIGNALS.md alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salus_collector.policy.signals import consistency, embedding, entropy, spread, trend
from salus_data.contract import Column

Array = NDArray[np.float64]

TREND_STEPS: Final = 10
"""Steps over which the trend is fitted."""


@dataclass(frozen=True)
class Sampling:
    """What the policy sampled on one observation.

    Attributes:
        samples: (K, S, T, D) over half ranges; S common noises.
        velocity: (K, S, T, D) of the first flow step, in the policy's normalised units.
        planned: (T, D) the chunk that this sampling proposes, over half ranges.
        embedding: (E,) hidden state.
    """

    samples: Array
    velocity: Array
    planned: Array
    embedding: Array


@dataclass(frozen=True)
class Moment:
    """What a signal may be computed from.

    Attributes:
        now: the newest sampling.
        age: steps since it, 0 where it is of this step.
        before: the sampling before it; None where there is none.
        lag: steps between the two.
        epistemic: the last values of that signal, oldest first, this step's included.
        period: seconds between two steps.
        statistics: of successful training episodes; None where the policy brings none.
    """

    now: Sampling
    age: int
    before: Sampling | None
    lag: int
    epistemic: tuple[float, ...]
    period: float
    statistics: embedding.EmbeddingStatistics | None

    @property
    def actions(self) -> Array:
        """The samples of this step's action, (K, S, D)."""
        return self.now.samples[:, :, self.age]

    @property
    def previous(self) -> Sampling:
        """The sampling before, for the signals that need one."""
        assert self.before is not None
        return self.before

    @property
    def fitted(self) -> embedding.EmbeddingStatistics:
        """The statistics, for the signals that need them."""
        assert self.statistics is not None
        return self.statistics


@dataclass(frozen=True)
class PolicySignal:
    """What one uncertainty signal is.

    Attributes:
        name: as in `Contract.signals`.
        unit: `1` for what is measured in half ranges of an action's components.
        formula: the definition in words.
        source: paper, or what it is computed from.
        compute: the definition in code.
        ensemble: needs two members; NaN (NO_ENSEMBLE) without.
        noises: needs two noises; NaN (NOT_PROVIDED) without.
        pair: needs an earlier sampling; NaN (WARMING_UP) until there is one.
        history: values of `epistemic` it needs; NaN (WARMING_UP) until they are there.
        fitted: needs statistics of training episodes; NaN (NOT_PROVIDED) without.
        sampled: changes only when the policy samples; held in between.
    """

    name: str
    unit: str
    formula: str
    source: str
    compute: Callable[[Moment], float]
    ensemble: bool = False
    noises: bool = False
    pair: bool = False
    history: int = 0
    fitted: bool = False
    sampled: bool = False

    @property
    def column(self) -> Column:
        """As it stands in a contract; optional where a policy may be unable to compute it."""
        return Column(self.name, self.unit, self.ensemble or self.noises or self.fitted)


POLICY_SIGNALS: Final = (
    PolicySignal(
        "epistemic",
        "1",
        "Disagreement of the members on this step's action: root of the variance over members "
        "under a common noise (unbiased), averaged over noises and components.",
        "Lakshminarayanan et al. 2017",
        lambda m: spread.root_mean(spread.member_variance(m.actions)),
        ensemble=True,
    ),
    PolicySignal(
        "epistemic_max",
        "1",
        "The same for the component in which the members disagree most.",
        "Lakshminarayanan et al. 2017",
        lambda m: spread.root_largest(spread.member_variance(m.actions)),
        ensemble=True,
    ),
    PolicySignal(
        "aleatoric",
        "1",
        "Spread of a member's own samples of this step's action: root of the variance over noises "
        "(unbiased), averaged over members and components.",
        "Kendall and Gal 2017",
        lambda m: spread.root_mean(spread.noise_variance(m.actions)),
        noises=True,
    ),
    PolicySignal(
        "epistemic_trend",
        "1/s",
        f"Least-squares slope of `epistemic` over the last {TREND_STEPS} steps.",
        "`epistemic`",
        lambda m: trend.slope(m.epistemic[-TREND_STEPS:], m.period),
        ensemble=True,
        history=TREND_STEPS,
    ),
    PolicySignal(
        "chunk_disagreement",
        "1",
        "As `epistemic`, averaged over all steps of the chunk.",
        "Lakshminarayanan et al. 2017",
        lambda m: spread.root_mean(spread.member_variance(m.now.samples)),
        ensemble=True,
        sampled=True,
    ),
    PolicySignal(
        "stac",
        "1",
        "Squared maximum mean discrepancy between the chunks sampled now and those sampled before, "
        "over the steps that both cover; mean of RBF kernels of width "
        f"{', '.join(map(str, consistency.BANDWIDTHS))} a component.",
        "Agia et al. 2024",
        lambda m: consistency.stac(m.previous.samples, m.now.samples, m.lag),
        pair=True,
        sampled=True,
    ),
    PolicySignal(
        "stac_single",
        "1",
        "Root-mean-square difference between the chunk proposed now and the one proposed before, "
        "over the steps that both cover.",
        "Agia et al. 2024",
        lambda m: consistency.stac_single(m.previous.planned, m.now.planned, m.lag),
        pair=True,
        sampled=True,
    ),
    PolicySignal(
        "velocity_disagreement",
        "1",
        "Root of the variance over members of the flow's velocity at t = 1, where all members "
        "look at the same noise; averaged over noises, steps and components, in the policy's "
        "normalised action units.",
        "Lipman et al. 2023 (flow matching)",
        lambda m: spread.root_mean(spread.member_variance(m.now.velocity)),
        ensemble=True,
        sampled=True,
    ),
    PolicySignal(
        "chunk_entropy",
        "nat",
        f"Entropy of all samples over cells of {entropy.CELL} a component, mean over the steps and "
        "components of the chunk (action-chunk entropy, ACE).",
        "Römer et al. 2025",
        lambda m: entropy.chunk_entropy(m.now.samples.reshape(-1, *m.now.samples.shape[2:])),
        noises=True,
        sampled=True,
    ),
    PolicySignal(
        "embedding_mahalanobis",
        "1",
        "Mahalanobis distance of the hidden state from those of successful training episodes, over "
        "the root of its size; covariance shrunk after Ledoit and Wolf.",
        "Lee et al. 2018",
        lambda m: embedding.mahalanobis(m.now.embedding, m.fitted),
        fitted=True,
        sampled=True,
    ),
    PolicySignal(
        "embedding_neighbours",
        "1",
        "Mean distance, in the same metric, to the five nearest hidden states of those episodes.",
        "Sun et al. 2022",
        lambda m: embedding.nearest_neighbours(m.now.embedding, m.fitted),
        fitted=True,
        sampled=True,
    ),
)
"""Every uncertainty signal, in the order of the arrays."""

POLICY_SIGNAL_COLUMNS: Final = tuple(signal.column for signal in POLICY_SIGNALS)
"""The same as columns of a contract."""

CORE: Final = (
    "epistemic",
    "epistemic_max",
    "aleatoric",
    "action_magnitude",
    "action_change",
    "epistemic_trend",
)
"""The input set `core`; the two about actions are among the robot's own signals."""
