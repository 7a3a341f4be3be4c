"""The recurrent hazard network at work, in numpy.

    e_t = silu(W_in x_t + b_in)                     x_t: the features of the running memory
    z_t = sigmoid(W_z e_t + b_z)                     how much of the state is kept
    n_t = tanh(W_n e_t + b_n)                        what comes in its place
    h_t = z_t h_{t-1} + (1 - z_t) n_t
    m_t = silu(W_mid [h_t, e_t] + b_mid)
    logits = W_out m_t + b_out                       hazards (H, C + 1), then outcome (C + 1)

Gate and candidate look at the inputs alone, so that training can work on all steps at once
(f-pooling in Bradbury et al., "Quasi-recurrent neural networks", ICLR 2017; minGRU in Feng et al.,
"Were RNNs all we needed?", 2024). `training/module.py` is the same network in torch; a test holds
the two together. A robot needs no torch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from salus_data.errors import FormatError
from salus_predictor.model.advance import advance

Array = NDArray[np.float64]

FEATURE_BOUND: Final = 5.0
"""Standard deviations at which a feature is cut."""

SHAPES: Final = {
    "feature_mean": ("F",),
    "feature_scale": ("F",),
    "input.weight": ("D", "F"),
    "input.bias": ("D",),
    "recurrence.weight": ("2G", "D"),
    "recurrence.bias": ("2G",),
    "middle.weight": ("Z", "G+D"),
    "middle.bias": ("Z",),
    "output.weight": ("O", "Z"),
    "output.bias": ("O",),
}
"""Names of the tensors and their shapes: F features, width D, state G, Z, O outputs."""


@dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
        tensors: float64, as `SHAPES`.
        horizons: H.
        types: C.
    """

    tensors: dict[str, Array]
    horizons: int
    types: int

    @classmethod
    def of(cls, tensors: dict[str, NDArray[Any]], horizons: int, types: int, features: int) -> Self:
        """Check tensors and take them.

        Raises:
            FormatError: one is missing, superfluous, not finite or of the wrong shape.
        """
        if set(tensors) != set(SHAPES):
            raise FormatError(
                f"a network has the tensors {sorted(SHAPES)}, found {sorted(tensors)}"
            )
        width = len(tensors["input.bias"])
        state = len(tensors["recurrence.bias"]) // 2
        middle = len(tensors["middle.bias"])
        sizes = {
            "F": features,
            "D": width,
            "G": state,
            "2G": 2 * state,
            "G+D": state + width,
            "Z": middle,
            "O": (horizons + 1) * (types + 1),
        }
        for name, axes in SHAPES.items():
            shape = tuple(sizes[axis] for axis in axes)
            if tensors[name].shape != shape:
                raise FormatError(f"tensor {name} has shape {tensors[name].shape}, not {shape}")
            if not np.isfinite(tensors[name]).all():
                raise FormatError(f"tensor {name} has values that are not finite")
        return cls({k: v.astype(np.float64) for k, v in tensors.items()}, horizons, types)

    @property
    def n_parameters(self) -> int:
        """Trained numbers, without the normalisation of features."""
        return sum(v.size for k, v in self.tensors.items() if not k.startswith("feature_"))

    @property
    def width_of_state(self) -> int:
        """G."""
        return len(self.tensors["recurrence.bias"]) // 2

    @cached_property
    def halved(self) -> dict[str, Array]:
        """Tensors with what enters a sigmoid or silu halved, turned for a row of features.

        sigmoid(2 y) is (1 + tanh y) / 2 and silu(2 y) is y + y tanh y: tanh does not overflow, and
        the fewer operations a step has the sooner it is done.
        """
        w = self.tensors
        gate = np.where(np.arange(2 * self.width_of_state) < self.width_of_state, 0.5, 1.0)
        return {
            "mean": w["feature_mean"],
            "scale": 1.0 / w["feature_scale"],
            "input.weight": 0.5 * w["input.weight"].T,
            "input.bias": 0.5 * w["input.bias"],
            "recurrence.weight": (gate[:, None] * w["recurrence.weight"]).T,
            "recurrence.bias": gate * w["recurrence.bias"],
            "middle.weight": 0.5 * w["middle.weight"].T,
            "middle.bias": 0.5 * w["middle.bias"],
            "output.weight": w["output.weight"].T,
            "output.bias": w["output.bias"],
        }

    def start(self, batch: int) -> "NetworkState":
        """The state of so many episodes at their start."""
        return NetworkState(self, batch)

    def logits(self, features: NDArray[np.float32], ends: NDArray[np.int64]) -> tuple[Array, Array]:
        """Hazard logits (N, H, C + 2) and outcome logits (N, C + 1) of whole episodes."""
        n = len(features)
        hazards = np.empty((n, self.horizons, self.types + 2))
        outcome = np.empty((n, self.types + 1))
        for _, rows, state in advance(ends, self.start):
            hazards[rows], outcome[rows] = state.step(features[rows])
        return hazards, outcome


class NetworkState:
    """The hidden state of B episodes that advance together."""

    def __init__(self, network: Network, batch: int) -> None:
        self._network, self._weights = network, network.halved
        self._size = network.width_of_state
        self._hidden: Array = np.zeros((batch, self._size))

    def keep(self, batch: int) -> None:
        """Go on with the first `batch` episodes only."""
        self._hidden = self._hidden[:batch]

    def step(self, features: NDArray[np.float32]) -> tuple[Array, Array]:
        """Logits (B, H, C + 2) and (B, C + 1) after one more step of features (B, F)."""
        w, size = self._weights, self._size
        x = features - w["mean"]
        x *= w["scale"]
        # np.clip, in two calls: it takes longer on a row.
        np.maximum(x, -FEATURE_BOUND, out=x)
        np.minimum(x, FEATURE_BOUND, out=x)
        embedded = _silu_of_twice(x @ w["input.weight"] + w["input.bias"])
        entered = np.tanh(embedded @ w["recurrence.weight"] + w["recurrence.bias"])
        kept, candidate = 0.5 + 0.5 * entered[:, :size], entered[:, size:]
        self._hidden = candidate + kept * (self._hidden - candidate)
        joined = np.concatenate([self._hidden, embedded], axis=1)
        middle = _silu_of_twice(joined @ w["middle.weight"] + w["middle.bias"])
        outputs = middle @ w["output.weight"] + w["output.bias"]
        return split_outputs(outputs, self._network.horizons)


def _silu_of_twice(x: Array) -> Array:
    """silu(2 x), the argument times its sigmoid."""
    result: Array = np.tanh(x)
    result *= x
    result += x
    return result


def split_outputs(outputs: Array, horizons: int) -> tuple[Array, Array]:
    """Outputs (B, (H + 1)(C + 1)) to hazard logits (B, H, C + 2), `nothing` at 0, and outcome."""
    table = outputs.reshape(len(outputs), horizons + 1, -1)
    hazards = np.zeros((len(table), horizons, table.shape[2] + 1))
    hazards[:, :, 1:] = table[:, :-1]
    return hazards, table[:, -1]
