"""Several action experts over one vision-language prefix, run together.

The members of an ensemble differ only in their action experts. So the prefix (images, task, state)
goes through the vision-language model once, and all experts read its keys and values. Their
weights are stacked, and each layer is one batched matrix product over members, noises and chunk:
the same numbers as LeRobot's `denoise_step` for each member (a test holds them together), without
its Python a member. All members get the same noises, so that what they disagree on comes from
their weights alone.

Flow matching as in SmolVLA (Shukor et al. 2025, https://arxiv.org/abs/2506.01844): Euler steps of
dx/dt = v(x, t) from noise at t = 1 to actions at t = 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from salus_collector.policy.smolvla.expert_layers import ExpertLayer, Linear, Prefix, rms_norm

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


class Experts:
    """K action experts over the prefix of one policy."""

    def __init__(self, policy: Any, members: Sequence[Mapping[str, Tensor]]) -> None:
        """Stack the members' weights.

        Args:
            policy: SmolVLAPolicy whose prefix all members share.
            members: for each member every tensor of `expert_tensors`, by name.
        """
        self.policy, self.size = policy, len(members)
        own = policy.model.state_dict()
        weights = {
            name: torch.stack([member[name].to(own[name]) for member in members])
            for name in members[0]
        }
        self._action_in = Linear.of(weights, "action_in_proj")
        self._action_out = Linear.of(weights, "action_out_proj")
        self._mix_in = Linear.of(weights, "action_time_mlp_in")
        self._mix_out = Linear.of(weights, "action_time_mlp_out")
        expert = "vlm_with_expert.lm_expert."
        self._norm = weights[expert + "norm.weight"]
        self._layers = self._stack_layers(weights, expert)

    def _stack_layers(self, weights: Mapping[str, Tensor], expert: str) -> list[ExpertLayer]:
        """The expert's layers, each with the place of the prefix layer that it reads."""
        model, layers = self.policy.model.vlm_with_expert, []
        every = model.self_attn_every_n_layers
        own = model.get_model_layers([model.get_vlm_model().text_model, model.lm_expert])[1]
        for place, layer in enumerate(own):
            if layer is None:  # an expert with fewer layers skips this one
                continue
            number = next(i for i, each in enumerate(model.lm_expert.layers) if each is layer)
            crosses = "cross" in model.attention_mode and not (every > 0 and place % every == 0)
            layers.append(
                ExpertLayer(
                    weights,
                    f"{expert}layers.{number}.",
                    place=place,
                    crosses=crosses,
                    heads=model.num_attention_heads,
                    key_value_heads=model.num_key_value_heads,
                    head_size=model.vlm.config.text_config.head_dim,
                    epsilon=layer.input_layernorm.variance_epsilon,
                    activation=layer.mlp.act_fn,
                )
            )
        self._epsilon = model.lm_expert.norm.variance_epsilon
        return layers

    @torch.inference_mode()
    def flow(self, batch: Mapping[str, Tensor], noise: Tensor) -> Flow:
        """Sample chunks for one observation.

        Args:
            batch: one observation as the pre-processor leaves it.
            noise: (S, T, A) standard normal, A being the policy's `max_action_dim`.
        """
        config = self.policy.config
        state, prefix = self.prefix(batch)
        prepared = [layer.prepare(prefix, noise.shape[1]) for layer in self._layers]
        # Members first, then noises and chunk in one row: (K, S, T, A).
        x = noise.expand(self.size, *noise.shape)
        first, hidden = None, None
        for i in range(config.num_steps):
            velocity, hidden = self._velocity(x, 1.0 - i / config.num_steps, prepared)
            first = velocity if first is None else first
            x = x - velocity / config.num_steps
        assert first is not None
        assert hidden is not None
        size = config.action_feature.shape[0]
        pooled = torch.cat([state.float(), hidden[0].mean(dim=(0, 1))])
        return Flow(x[..., :size], first[..., :size], pooled)

    def _velocity(self, x: Tensor, time: float, prepared: list[Any]) -> tuple[Tensor, Tensor]:
        """`denoise_step` of every member: velocity (K, S, T, A) and last hidden state."""
        from lerobot.policies.common.vla_utils import create_sinusoidal_pos_embedding

        config, (members, noises, length, _) = self.policy.config, x.shape
        embedded = self._action_in(x.flatten(1, 2))
        clock = create_sinusoidal_pos_embedding(
            torch.tensor([time], device=x.device),
            embedded.shape[-1],
            config.min_period,
            config.max_period,
            device=x.device,
        ).to(embedded.dtype)
        both = torch.cat([embedded, clock.expand_as(embedded)], dim=-1)
        hidden = self._mix_out(nn.functional.silu(self._mix_in(both)))
        for layer, ready in zip(self._layers, prepared, strict=True):
            hidden = layer(hidden, ready, noises)
        hidden = rms_norm(hidden, self._norm, self._epsilon).to(torch.float32)
        velocity = self._action_out(hidden)
        shape = (members, noises, length, -1)
        return velocity.view(shape), hidden.view(shape)

    @torch.inference_mode()
    def prefix(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Prefix]:
        """Last hidden state (H,), and keys and values of every layer of the prefix."""
        from lerobot.policies.smolvla.modeling_smolvla import make_att_2d_masks
        from lerobot.utils.constants import OBS_LANGUAGE_ATTENTION_MASK, OBS_LANGUAGE_TOKENS

        policy, model = self.policy, self.policy.model
        # What is masked out influences nothing, so it is left out: absent cameras here, padding
        # of the task's words below.
        views = [
            (image, mask)
            for image, mask in zip(*policy.prepare_images(batch), strict=True)
            if bool(mask.all())
        ]
        embedded, pad, attend = model.embed_prefix(
            [image for image, _ in views],
            [mask for _, mask in views],
            batch[OBS_LANGUAGE_TOKENS],
            batch[OBS_LANGUAGE_ATTENTION_MASK],
            state=policy.prepare_state(batch),
        )
        seen = pad[0].nonzero()[:, 0]
        embedded, attend = embedded[:, seen], attend[:, seen]
        pad = torch.ones_like(attend)
        outputs, cache = model.vlm_with_expert.forward(
            attention_mask=make_att_2d_masks(pad, attend),
            position_ids=torch.cumsum(pad, dim=1) - 1,
            past_key_values=None,
            inputs_embeds=[embedded, None],
            use_cache=True,
        )
        return outputs[0][0, -1], Prefix(
            [(layer.keys[0], layer.values[0]) for layer in cache.layers]
        )
