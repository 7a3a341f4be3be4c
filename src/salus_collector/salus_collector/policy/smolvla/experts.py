"""Several action experts over one vision-language prefix, run together.

The members of an ensemble differ only in their action experts. So the prefix (images, task, state)
goes through the vision-language model once, and all experts read its keys and values; `torch.vmap`
runs them as one batch over their stacked weights. All members get the same noises, so that what
they disagree on comes from their weights alone.

Flow matching as in SmolVLA (Shukor et al. 2025, https://arxiv.org/abs/2506.01844): Euler steps of
dx/dt = v(x, t) from noise at t = 1 to actions at t = 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

EXPERT_PARTS: Final = (
    "vlm_with_expert.lm_expert.",
    "action_in_proj.",
    "action_out_proj.",
    "action_time_mlp_in.",
    "action_time_mlp_out.",
)
"""Beginnings of the names of the tensors in which members may differ."""


def is_expert(name: str) -> bool:
    """Whether a tensor of `SmolVLAPolicy.model` belongs to the action expert."""
    return name.startswith(EXPERT_PARTS)


def expert_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The action expert's part of the state of `SmolVLAPolicy.model`."""
    return {name: value for name, value in model.state_dict().items() if is_expert(name)}


@dataclass(frozen=True)
class Flow:
    """What the experts make of one observation, in the policy's normalised units.

    Attributes:
        actions: (K, S, T, D) of K members and S noises.
        velocity: (K, S, T, D) of the first Euler step, where all members look at the same x.
        embedding: (E,) hidden state at the prefix's last token (the robot's state, which attends
            to everything), then that of the first member's expert, averaged over noises and chunk.
    """

    actions: Tensor
    velocity: Tensor
    embedding: Tensor


class _Denoiser(nn.Module):
    """`VLAFlowMatching.denoise_step` that also gives the hidden state before its last layer."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, x: Tensor, time: Tensor, mask: Tensor, positions: Tensor, cached: list[Any]
    ) -> tuple[Tensor, Tensor]:
        from transformers import DynamicCache

        model: Any = self.model
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(cached):
            cache.update(keys, values, layer)
        suffix, _, _ = model.embed_suffix(x, time)
        outputs, _ = model.vlm_with_expert.forward(
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            inputs_embeds=[None, suffix],
            use_cache=True,
        )
        hidden = outputs[1][:, -x.shape[1] :].to(torch.float32)
        return model.action_out_proj(hidden), hidden


class Experts:
    """K action experts over the prefix of one policy."""

    def __init__(self, policy: Any, members: Sequence[Mapping[str, Tensor]]) -> None:
        """Stack the members' weights.

        Args:
            policy: SmolVLAPolicy whose prefix all members share.
            members: for each member every tensor of `expert_tensors`, by name.
        """
        self.policy, self.size = policy, len(members)
        self._denoiser = _Denoiser(policy.model)
        own = {f"model.{name}" for name in members[0]}
        state = dict(self._denoiser.named_parameters()) | dict(self._denoiser.named_buffers())
        self._shared = {name: value.detach() for name, value in state.items() if name not in own}
        self._stacked = {
            f"model.{name}": torch.stack([member[name].to(value) for member in members])
            for name, value in members[0].items()
        }
        self._single = {name: value[0] for name, value in self._stacked.items()}

    @torch.no_grad()
    def flow(self, batch: Mapping[str, Tensor], noise: Tensor) -> Flow:
        """Sample chunks for one observation.

        Args:
            batch: one observation as the pre-processor leaves it.
            noise: (S, T, A) standard normal, A being the policy's `max_action_dim`.
        """
        config = self.policy.config
        hidden, mask, cached = self._prefix(batch)
        samples, length, _ = noise.shape
        prefix = mask.shape[1]
        # As denoise_step has it: the actions see the prefix, and one another up to their own place.
        causal = torch.ones(length, length, dtype=torch.bool, device=noise.device).tril()
        attention = torch.cat([mask[:, None].expand(1, length, prefix), causal[None]], dim=2)
        attention = attention.expand(samples, -1, -1)
        positions = mask.sum(dim=1, keepdim=True) + torch.arange(length, device=noise.device)
        positions = positions.expand(samples, -1)
        cached = [(k.expand(samples, -1, -1, -1), v.expand(samples, -1, -1, -1)) for k, v in cached]

        def step(weights: dict[str, Tensor], x: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
            state: tuple[Tensor, Tensor] = torch.func.functional_call(
                self._denoiser,
                (weights, self._shared),
                (x, time, attention, positions, cached),
                strict=True,
            )
            return state

        x = noise.expand(self.size, *noise.shape)
        first, last = None, None
        for i in range(config.num_steps):
            time = torch.tensor(1.0 - i / config.num_steps, device=noise.device).expand(samples)
            if self.size == 1:  # spares the cost of vmap
                velocity, last = (part[None] for part in step(self._single, x[0], time))
            else:
                velocity, last = torch.vmap(step, in_dims=(0, 0, None))(self._stacked, x, time)
            first = velocity if first is None else first
            x = x - velocity / config.num_steps
        assert first is not None
        assert last is not None
        size = config.action_feature.shape[0]
        pooled = torch.cat([hidden.float(), last[0].mean(dim=(0, 1))])
        return Flow(x[..., :size], first[..., :size], pooled)

    def _prefix(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, list[Any]]:
        """Last hidden state (H,), padding mask (1, P), and keys and values of every layer."""
        from lerobot.policies.smolvla.modeling_smolvla import make_att_2d_masks
        from lerobot.utils.constants import OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS

        policy, model = self.policy, self.policy.model
        images, image_masks = policy.prepare_images(batch)
        embedded, pad, attend = model.embed_prefix(
            images,
            image_masks,
            batch[OBS_LANGUAGE_TOKENS],
            batch[OBS_LANGUAGE_ATTENTION_MASK],
            state=policy.prepare_state(batch),
        )
        outputs, cache = model.vlm_with_expert.forward(
            attention_mask=make_att_2d_masks(pad, attend),
            position_ids=torch.cumsum(pad, dim=1) - 1,
            past_key_values=None,
            inputs_embeds=[embedded, None],
            use_cache=True,
        )
        last = int(pad[0].nonzero()[-1])
        return outputs[0][0, last], pad, [(layer.keys, layer.values) for layer in cache.layers]
