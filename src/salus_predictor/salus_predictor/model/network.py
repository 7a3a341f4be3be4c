"""The recurrent hazard network at work, in numpy.

    e_t = silu(W_in x_t + b_in)                     x_t: the features of the running memory
    h_t = GRU(e_t, h_{t-1})                          Cho et al., EMNLP 2014
    z_t = silu(W_mid [h_t, e_t] + b_mid)
    logits = W_out z_t + b_out                       hazards (H, C + 1), then outcome (C + 1)

`training/module.py` is the same network in torch; a test holds the two together. In numpy a step
costs less than the bare call of a torch module, and a robot needs no torch.
"""

from dataclasses import dataclass
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
    "gru.weight_ih_l0": ("3G", "D"),
    "gru.weight_hh_l0": ("3G", "G"),
    "gru.bias_ih_l0": ("3G",),
    "gru.bias_hh_l0": ("3G",),
    "middle.weight": ("Z", "G+D"),
    "middle.bias": ("Z",),
    "output.weight": ("O", "Z"),
    "output.bias": ("O",),
}
"""Names of the tensors and their shapes: F features, width D, state G, Z, O outputs."""


def silu(x: Array) -> Array:
    """The input times its sigmoid."""
    return x * sigmoid(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    result: Array = 0.5 * (1.0 + np.tanh(0.5 * x))
    return result


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
        state = tensors["gru.weight_hh_l0"].shape[-1]
        middle = len(tensors["middle.bias"])
        sizes = {
            "F": features,
            "D": width,
            "G": state,
            "3G": 3 * state,
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
        self._network = network
        self._hidden: Array = np.zeros((batch, network.tensors["gru.weight_hh_l0"].shape[1]))

    def keep(self, batch: int) -> None:
        """Go on with the first `batch` episodes only."""
        self._hidden = self._hidden[:batch]

    def step(self, features: NDArray[np.float32]) -> tuple[Array, Array]:
        """Logits (B, H, C + 2) and (B, C + 1) after one more step of features (B, F)."""
        net = self._network
        w = net.tensors
        x = (features - w["feature_mean"]) / w["feature_scale"]
        np.clip(x, -FEATURE_BOUND, FEATURE_BOUND, out=x)
        embedded = silu(x @ w["input.weight"].T + w["input.bias"])
        given = embedded @ w["gru.weight_ih_l0"].T + w["gru.bias_ih_l0"]
        kept = self._hidden @ w["gru.weight_hh_l0"].T + w["gru.bias_hh_l0"]
        size = self._hidden.shape[1]
        gates = sigmoid(given[:, : 2 * size] + kept[:, : 2 * size])
        reset, update = gates[:, :size], gates[:, size:]
        candidate = np.tanh(given[:, 2 * size :] + reset * kept[:, 2 * size :])
        self._hidden = candidate + update * (self._hidden - candidate)
        joined = np.concatenate([self._hidden, embedded], axis=1)
        middle = silu(joined @ w["middle.weight"].T + w["middle.bias"])
        return split_outputs(middle @ w["output.weight"].T + w["output.bias"], net.horizons)


def split_outputs(outputs: Array, horizons: int) -> tuple[Array, Array]:
    """Outputs (B, (H + 1)(C + 1)) to hazard logits (B, H, C + 2), `nothing` at 0, and outcome."""
    table = outputs.reshape(len(outputs), horizons + 1, -1)
    hazards = np.concatenate([np.zeros((len(table), horizons, 1)), table[:, :-1]], axis=2)
    return hazards, table[:, -1]
