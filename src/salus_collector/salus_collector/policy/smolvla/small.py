"""A small SmolVLA of LeRobot's own class, built offline and from scratch.

LeRobot builds a SmolVLA around a vision-language model that it looks up by name. Here the name is
a folder that this module writes: the model's configuration, its processor and a tokenizer trained
on a few sentences. No weights are in it; all of them are learnt by behaviour cloning.
"""

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

VLM_FOLDER: Final = "vlm"
"""Folder of a checkpoint with the files of its vision-language model."""

ABSENT_CAMERA: Final = "observation.images.empty_camera_0"
"""The camera of a policy that reads none. LeRobot's SmolVLA wants one image at least; its own name
for a camera that is not there is this one, and its attention masks such an image out."""

_MARKS: Final = {
    "unk_token": "<|endoftext|>",
    "bos_token": "<|im_start|>",
    "pad_token": "<|im_end|>",
    "eos_token": "<end_of_utterance>",
}

_SPECIAL_TOKENS: Final = {
    "fake_image_token": "<fake_token_around_image>",
    "image_token": "<image>",
    "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
    "video_token": "<video>",
}

_SENTENCES: Final = (
    "pick up the red cube and place it in the blue bin",
    "put the green block on the plate",
    "stack the yellow cube on the red cube",
    "move the gripper to the left and open the drawer, then close the drawer",
    "push the button, lift the cylinder, rotate the wrist, release the object",
    "insert the peg into the hole, hand over the tool, sort the blocks by colour",
)


@dataclass(frozen=True)
class Architecture:
    """Sizes of a small SmolVLA.

    Attributes:
        hidden: width of the language model; a multiple of `heads`.
        layers: of the language model and of the action expert, alternating self- and
            cross-attention.
        heads, key_value_heads: of the attention.
        intermediate: width of the language model's feed-forward layers.
        expert_width: of the action expert, as a share of `hidden`.
        vision_hidden, vision_layers, vision_heads: of the image encoder.
        image: side of the square images [pixels].
        patch: side of an image patch [pixels].
        merge: patches merged into one token along each axis; divides image / patch.
        chunk: actions in a chunk.
        flow_steps: steps of the flow integration when an action is chosen.
        vocabulary: size that the tokenizer may reach; a byte-level one needs 300 or more.
    """

    hidden: int = 96
    layers: int = 2
    heads: int = 3
    key_value_heads: int = 1
    intermediate: int = 256
    expert_width: float = 0.75
    vision_hidden: int = 32
    vision_layers: int = 1
    vision_heads: int = 1
    image: int = 8
    patch: int = 8
    merge: int = 1
    chunk: int = 16
    flow_steps: int = 5
    vocabulary: int = 512


def offline() -> None:
    """Keep LeRobot and transformers from asking a hub; to be called before either is imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def write_vlm(folder: Path, architecture: Architecture, sentences: Sequence[str] = ()) -> None:
    """Write the vision-language model's configuration, processor and tokenizer; no weights.

    Args:
        folder: to be written; `<checkpoint>/vlm` for a checkpoint.
        architecture: the sizes.
        sentences: tasks beyond the usual ones, so that their words become single tokens.
    """
    offline()
    from transformers import (
        SmolVLMConfig,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    own = architecture
    tokenizer = _tokenizer(own.vocabulary, (*_SENTENCES, *sentences))
    folder.mkdir(parents=True, exist_ok=True)
    SmolVLMConfig(
        text_config={
            "model_type": "llama",
            "hidden_size": own.hidden,
            "num_hidden_layers": own.layers,
            "num_attention_heads": own.heads,
            "num_key_value_heads": own.key_value_heads,
            "head_dim": own.hidden // own.heads,
            "intermediate_size": own.intermediate,
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": False,
            "attention_bias": False,
        },
        vision_config={
            "hidden_size": own.vision_hidden,
            "intermediate_size": 4 * own.vision_hidden,
            "num_hidden_layers": own.vision_layers,
            "num_attention_heads": own.vision_heads,
            "image_size": own.image,
            "patch_size": own.patch,
        },
        scale_factor=own.merge,
        image_token_id=tokenizer.convert_tokens_to_ids(_SPECIAL_TOKENS["image_token"]),
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    ).save_pretrained(folder)
    edge = {"longest_edge": own.image}
    SmolVLMProcessor(
        image_processor=SmolVLMImageProcessor(
            do_image_splitting=False, size=edge, max_image_size=edge
        ),
        tokenizer=tokenizer,
        video_processor=SmolVLMVideoProcessor(size=edge, max_image_size=edge),
        image_seq_len=(own.image // own.patch // own.merge) ** 2,
    ).save_pretrained(folder)


def small_policy(
    vlm: Path,
    architecture: Architecture,
    *,
    state_size: int,
    action_size: int,
    cameras: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """A SmolVLAPolicy with random weights over the files that `write_vlm` wrote.

    Args:
        vlm: that folder.
        architecture: with which it was written.
        state_size: components of `observation.state`.
        action_size: components of `action`.
        cameras: image features, `observation.images.<name>`; none for a policy that reads none,
            which then has ABSENT_CAMERA and must be given `absent_images`.
        settings: further fields of SmolVLAConfig.

    Returns:
        A `lerobot.policies.smolvla.modeling_smolvla.SmolVLAPolicy` on the CPU. Every weight that
        a gradient can reach is trainable: LeRobot freezes the last layer of the language model,
        which makes sense for a pre-trained one only.
    """
    offline()
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

    own = architecture
    image = PolicyFeature(type=FeatureType.VISUAL, shape=(3, own.image, own.image))
    config = SmolVLAConfig(
        input_features={
            **dict.fromkeys(cameras or (ABSENT_CAMERA,), image),
            "observation.state": PolicyFeature(type=FeatureType.STATE, shape=(state_size,)),
        },
        output_features={"action": PolicyFeature(type=FeatureType.ACTION, shape=(action_size,))},
        **{
            "vlm_model_name": str(vlm),
            "load_vlm_weights": False,
            "num_vlm_layers": own.layers,
            "expert_width_multiplier": own.expert_width,
            "chunk_size": own.chunk,
            "n_action_steps": min(4, own.chunk),
            "num_steps": own.flow_steps,
            "max_state_dim": state_size,
            "max_action_dim": action_size,
            "resize_imgs_with_padding": (own.image, own.image),
            "tokenizer_max_length": 48,
            "freeze_vision_encoder": False,
            "train_expert_only": False,
            "device": "cpu",
            "push_to_hub": False,
            **(settings or {}),
        },
    )
    # LeRobot prints while it builds; standard output belongs to the commands' results.
    with redirect_stdout(io.StringIO()):
        policy = SmolVLAPolicy(config)
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_("lm_head" not in name)
    return policy


def absent_images(config: Any, batch_size: int, device: Any = "cpu") -> dict[str, Any]:
    """What stands in a batch for the cameras that a policy has by name only.

    Args:
        config: of the policy.
        batch_size: B.
        device: where the batch is.

    Returns:
        For each image feature `observation.images.empty_camera_<n>`: a black image
        (B, 3, H, W) and `<feature>_padding_mask` (B,), all False, by which SmolVLA masks it out.
        Empty where every camera is a real one.
    """
    import torch

    batch: dict[str, Any] = {}
    for name, feature in config.image_features.items():
        if name.startswith("observation.images.empty_camera_"):
            batch[name] = torch.zeros((batch_size, *feature.shape), device=device)
            mask = torch.zeros(batch_size, dtype=torch.bool, device=device)
            batch[f"{name}_padding_mask"] = mask
    return batch


def _tokenizer(vocabulary: int, sentences: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer that can spell anything and knows the words of `sentences`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    specials = list(dict.fromkeys([*_MARKS.values(), *_SPECIAL_TOKENS.values()]))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        sentences,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=specials,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        extra_special_tokens=_SPECIAL_TOKENS,
        model_max_length=8192,
        **_MARKS,
    )
