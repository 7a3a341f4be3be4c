"""The layers of SmolVLA's action expert with the weights of K members side by side.

Hidden states are (K, N, H): members, then noises and chunk in one row of N = S * T, then width.
The mathematics and the places where numbers change their type are those of LeRobot's
`SmolVLMWithExpertModel`; keys and values of the prefix come from its own cache.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prefix:
    """Keys and values of the prefix, (G, P, h) each, for every layer of the language model."""

    layers: list[tuple[Tensor, Tensor]]

    @property
    def length(self) -> int:
        """P, its tokens."""
        return int(self.layers[0][0].shape[1])


@dataclass(frozen=True)
class Linear:
    """K linear maps: weight (K, in, out), and a bias (K, 1, out) or none."""

    weight: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], name: str) -> Self:
        """From the stacked tensors of a `torch.nn.Linear` of that name."""
        bias = weights.get(f"{name}.bias")
        weight = weights[f"{name}.weight"].transpose(1, 2).contiguous()
        return cls(weight, None if bias is None else bias[:, None].contiguous())

    @property
    def dtype(self) -> torch.dtype:
        """Of the weight."""
        return self.weight.dtype

    def __call__(self, x: Tensor) -> Tensor:
        """(K, N, in) to (K, N, out)."""
        if self.bias is None:
            return torch.bmm(x, self.weight)
        return torch.baddbmm(self.bias, x, self.weight)


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Root-mean-square normalisation of (K, N, H) by weights (K, H), computed in float32."""
    wide = x.to(torch.float32)
    wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)
    return weight[:, None] * wide.to(x.dtype)


@dataclass(frozen=True)
class Rotation:
    """Sine and cosine of rotary position embeddings, (T, 1, h / 2) each."""

    sine: Tensor
    cosine: Tensor

    @classmethod
    def at(cls, positions: Tensor, head_size: int) -> Self:
        """For positions (T,); wavelengths up to 10,000 as in `apply_rope`."""
        half = head_size // 2
        exponents = (2.0 / head_size) * torch.arange(
            half, dtype=torch.float32, device=positions.device
        )
        angles = positions[:, None, None].to(torch.float32) / (10_000**exponents)
        return cls(torch.sin(angles), torch.cos(angles))

    def __call__(self, x: Tensor) -> Tensor:
        """Rotate (..., T, heads, h)."""
        first, second = x.to(torch.float32).chunk(2, dim=-1)
        return torch.cat(
            [
                first * self.cosine - second * self.sine,
                second * self.cosine + first * self.sine,
            ],
            dim=-1,
        ).to(x.dtype)


@dataclass(frozen=True)
class Ready:
    """What one layer needs of an observation, the same for every flow step.

    Attributes:
        keys: (K, G, h, P) float32, transposed for the product with queries.
        values: (K, G, P, h).
        rotation: of the queries, and of the chunk's own keys.
        blocked: (T, T) where an action must not see another one's key.
    """

    keys: Tensor
    values: Tensor
    rotation: Rotation
    blocked: Tensor


class ExpertLayer:
    """One transformer layer of K experts.

    It attends to the prefix alone (`crosses`), or to the prefix and the chunk up to the action's
    own place.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        name: str,
        *,
        place: int,
        crosses: bool,
        heads: int,
        key_value_heads: int,
        head_size: int,
        epsilon: float,
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        """Take the layer's weights.

        Args:
            weights: stacked tensors of the experts.
            name: beginning of this layer's names.
            place: number of the prefix layer that it reads.
            crosses: whether it attends to the prefix alone.
            heads: of the attention.
            key_value_heads: of them with a key of their own; divides `heads`.
            head_size: width of each.
            epsilon: of the normalisations.
            activation: of the feed-forward part.
        """
        self.place, self._crosses = place, crosses
        self._groups, self._per_group, self._head = (
            key_value_heads,
            heads // key_value_heads,
            head_size,
        )
        self._epsilon, self._activation = epsilon, activation
        self._norm_in = weights[name + "input_layernorm.weight"]
        self._norm_out = weights[name + "post_attention_layernorm.weight"]
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, f"_{part[0]}", Linear.of(weights, f"{name}self_attn.{part}"))
        self._gate = Linear.of(weights, name + "mlp.gate_proj")
        self._up = Linear.of(weights, name + "mlp.up_proj")
        self._down = Linear.of(weights, name + "mlp.down_proj")

    _q: Linear
    _k: Linear
    _v: Linear
    _o: Linear

    def prepare(self, prefix: Prefix, length: int) -> Ready:
        """Compute what does not change while the flow is integrated, for chunks of `length`."""
        keys, values = prefix.layers[self.place]  # (G, P, h)
        members, count = self._q.weight.shape[0], prefix.length
        device = keys.device
        start = 0 if self._crosses else count
        rotation = Rotation.at(torch.arange(start, start + length, device=device), self._head)
        if self._crosses:
            flat = (part.transpose(0, 1).reshape(1, count, -1) for part in (keys, values))
            keys, values = (
                linear(part.to(linear.dtype).expand(members, -1, -1))
                .view(members, count, self._groups, self._head)
                .transpose(1, 2)
                for linear, part in zip((self._k, self._v), flat, strict=True)
            )
        else:
            keys, values = (part.expand(members, -1, -1, -1) for part in (keys, values))
        blocked = torch.ones(length, length, dtype=torch.bool, device=device).triu(1)
        keys = keys.to(torch.float32).transpose(2, 3)
        return Ready(keys.contiguous(), values.contiguous(), rotation, blocked)

    def __call__(self, hidden: Tensor, ready: Ready, noises: int) -> Tensor:
        """(K, S * T, H) to the same."""
        normed = rms_norm(hidden, self._norm_in, self._epsilon).to(self._q.dtype)
        attended = self._attend(normed, ready, noises)
        out = (self._o(attended.to(self._o.dtype)) + hidden).to(self._o.dtype)
        normed = rms_norm(out, self._norm_out, self._epsilon)
        return out + self._down(self._activation(self._gate(normed)) * self._up(normed))

    def _attend(self, x: Tensor, ready: Ready, noises: int) -> Tensor:
        """Attention of (K, S * T, H), the heads side by side: (K, S * T, heads * h)."""
        members, rows, _ = x.shape
        groups, per_group, head = self._groups, self._per_group, self._head
        length = rows // noises
        shape = (members, noises, length, -1, head)
        queries = ready.rotation(self._q(x).view(shape)).to(torch.float32) * head**-0.5
        # (K, G, S, heads a group, T, h): queries that share a key lie in one row.
        queries = queries.view(members, noises, length, groups, per_group, head)
        queries = queries.permute(0, 3, 1, 4, 2, 5)
        flat = queries.reshape(members, groups, -1, head)
        scores = flat @ ready.keys
        if self._crosses:
            mixed = torch.softmax(scores, dim=-1).to(ready.values.dtype) @ ready.values
        else:
            count = ready.values.shape[2]
            own_keys = ready.rotation(self._k(x).view(shape)).to(torch.float32)
            own_values = self._v(x).view(shape)
            own_keys = own_keys.permute(0, 3, 1, 4, 2)  # (K, G, S, h, T)
            own_values = own_values.permute(0, 3, 1, 2, 4)  # (K, G, S, T, h)
            by_noise = (members, groups, noises, per_group * length, -1)
            own = flat.view(by_noise) @ own_keys
            own = own.view(members, groups, noises, per_group, length, length)
            own = own.masked_fill(ready.blocked, torch.finfo(own.dtype).min)
            scores = torch.cat([scores.view(by_noise), own.reshape(by_noise)], dim=-1)
            shares = torch.softmax(scores, dim=-1).to(own_values.dtype)
            mixed = shares[..., :count].reshape(members, groups, -1, count) @ ready.values
            mixed = mixed.view(by_noise) + shares[..., count:] @ own_values
        mixed = mixed.view(members, groups, noises, per_group, length, head)
        result: Any = mixed.permute(0, 2, 4, 1, 3, 5).reshape(members, rows, -1)
        return result
