"""Loads one SmolVLA checkpoint of LeRobot, strictly: all of its weights and files, or an error."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_collector.policy.smolvla.adapter import FILE as ADAPTER_FILE
from salus_collector.policy.smolvla.adapter import Adapter
from salus_collector.policy.smolvla.small import VLM_FOLDER, offline
from salus_data.errors import PolicyError

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.safetensors"
PREPROCESSOR: Final = "policy_preprocessor.json"
POSTPROCESSOR: Final = "policy_postprocessor.json"
FILES: Final = (CONFIG, WEIGHTS, PREPROCESSOR, POSTPROCESSOR)
"""What a checkpoint must hold, besides the adapter; `vlm/` makes it independent of a hub."""

EMPTY_CAMERA: Final = "observation.images.empty_camera_"
"""Beginning of the image features that LeRobot masks out."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory.

    Attributes:
        folder: where it came from.
        policy: `lerobot.policies.smolvla.modeling_smolvla.SmolVLAPolicy`, in evaluation mode.
        preprocess, postprocess: LeRobot's pipelines, as they were saved with it.
        adapter: between its vectors and ours.
    """

    folder: Path
    policy: Any
    preprocess: Any
    postprocess: Any
    adapter: Adapter


def checkpoint_folder(name: str) -> Path:
    """The local folder of a checkpoint: a folder, or a hub id `owner/name` that is fetched.

    Raises:
        PolicyError: it is neither, or the hub cannot be reached and does not have it cached.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise PolicyError(
            f"policy {name}: no such folder; give a folder with {', '.join(FILES)}, "
            "or a hub id owner/name"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PolicyError(
            f"policy {name}: no folder of that name, and the hub does not give it: {reason}"
        ) from error


def load_checkpoint(
    name: str, *, device: str = "cpu", dtype: str = "float32", adapter: Path | None = None
) -> Checkpoint:
    """Load a checkpoint; every weight must be there, no other may be.

    Args:
        name: folder or hub id.
        device: of torch, such as `cpu` or `cuda`.
        dtype: of the vision-language model and the action expert, `float32` or `bfloat16`; the
            projections stay in float32, as LeRobot has them.
        adapter: file or folder of the adapter, where the checkpoint has none of its own.

    Raises:
        PolicyError: a file is missing or broken, or sizes, cameras or statistics do not fit.
        FormatError: the adapter is missing or not one.
    """
    folder = checkpoint_folder(name)
    for file in FILES:
        if not (folder / file).is_file():
            raise PolicyError(
                f"{folder / file}: no such file; a SmolVLA checkpoint has {', '.join(FILES)} "
                f"and {ADAPTER_FILE}"
            )
    chosen = Adapter.read(_adapter_folder(folder, adapter))
    config = _read_config(folder, device)
    _check_sizes(folder, config, chosen)
    policy = _load_policy(folder, config)
    if dtype == "bfloat16":
        import torch

        policy.model.vlm_with_expert.to(torch.bfloat16)
    preprocess, postprocess = _load_processors(folder, config, device)
    _check_statistics(folder, config, preprocess, postprocess)
    return Checkpoint(folder, policy, preprocess, postprocess, chosen)


def _adapter_folder(folder: Path, given: Path | None) -> Path:
    if given is None or (folder / ADAPTER_FILE).is_file():
        return folder
    return given.parent if given.name == ADAPTER_FILE else given


def _read_config(folder: Path, device: str) -> Any:
    offline()
    import torch
    from draccus.utils import DraccusException
    from lerobot.configs import PreTrainedConfig
    from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise PolicyError(f"device {device!r} cannot be used: {error}".splitlines()[0]) from error
    path = folder / CONFIG
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("type")
    except (OSError, UnicodeDecodeError, ValueError, AttributeError) as error:
        raise PolicyError(f"{path}: not a LeRobot configuration: {error}") from error
    if kind != SmolVLAConfig.get_choice_name(SmolVLAConfig):
        raise PolicyError(f"{path}: type is {kind!r}; SALUS runs checkpoints of type 'smolvla'")
    try:
        config = PreTrainedConfig.from_pretrained(folder)
    except (DraccusException, TypeError, ValueError) as error:
        raise PolicyError(f"{path}: not a SmolVLA configuration: {error}") from error
    vlm = folder / VLM_FOLDER
    if vlm.is_dir():
        config.vlm_model_name = str(vlm)
    config.device = device
    config.load_vlm_weights = False  # they are in the checkpoint
    config.compile_model = False
    return config


def real_cameras(config: Any) -> list[str]:
    """The image features that a checkpoint reads; those that it has by name only are not among."""
    return [name for name in config.image_features if not name.startswith(EMPTY_CAMERA)]


def _check_sizes(folder: Path, config: Any, adapter: Adapter) -> None:
    path = folder / CONFIG
    state = config.robot_state_feature
    if state is None or tuple(state.shape) != (adapter.size,):
        raise PolicyError(
            f"{path}: observation.state has shape {None if state is None else list(state.shape)}, "
            f"the {len(adapter.state)} entries of its {ADAPTER_FILE} make [{adapter.size}]"
        )
    action, space = config.action_feature, adapter.action_space
    if action is None or tuple(action.shape) != (space.size,):
        raise PolicyError(
            f"{path}: action has shape {None if action is None else list(action.shape)}, action "
            f"space {space.name} of its {ADAPTER_FILE} has {space.size}: {', '.join(space.names)}"
        )
    cameras = real_cameras(config)
    if sorted(cameras) != sorted(adapter.cameras):
        raise PolicyError(
            f"{path}: reads the cameras {sorted(cameras)}, its {ADAPTER_FILE} feeds "
            f"{sorted(adapter.cameras)}; every one needs an entry in `cameras`"
        )
    if adapter.n_action_steps > config.chunk_size:
        raise PolicyError(
            f"{folder / ADAPTER_FILE}: n_action_steps is {adapter.n_action_steps}; a chunk has "
            f"{config.chunk_size} actions"
        )


def _load_policy(folder: Path, config: Any) -> Any:
    import torch
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
    from safetensors import SafetensorError

    try:
        policy = SmolVLAPolicy.from_pretrained(folder, config=config, strict=True)
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise PolicyError(f"{folder / WEIGHTS}: does not fit {CONFIG}: {reason:.300}") from error
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise PolicyError(
            f"{folder}: the vision-language model {config.vlm_model_name} has no configuration or "
            f"processor: {reason:.200}"
        ) from error
    for name, tensor in policy.named_parameters():
        if not bool(torch.isfinite(tensor).all()):
            raise PolicyError(f"{folder / WEIGHTS}: {name} is not finite")
    policy.eval()
    policy.requires_grad_(False)
    return policy


def _load_processors(folder: Path, config: Any, device: str) -> tuple[Any, Any]:
    from lerobot.policies.factory import make_pre_post_processors

    try:
        processors: tuple[Any, Any] = make_pre_post_processors(
            config,
            pretrained_path=str(folder),
            preprocessor_overrides={
                "tokenizer_processor": {"tokenizer_name": config.vlm_model_name},
                "device_processor": {"device": device},
            },
        )
    except (OSError, KeyError, TypeError, ValueError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise PolicyError(f"{folder / PREPROCESSOR}: cannot be loaded: {reason:.300}") from error
    return processors


def _statistics(pipeline: Any) -> dict[str, Any]:
    """The statistics of the (un)normalising steps of a pipeline."""
    found: dict[str, Any] = {}
    for step in pipeline.steps:
        found |= getattr(step, "stats", None) or {}
    return found


def _check_statistics(folder: Path, config: Any, preprocess: Any, postprocess: Any) -> None:
    """Refuse statistics that are missing, of another size, not finite or without spread."""
    for file, pipeline, key, feature in (
        (PREPROCESSOR, preprocess, "observation.state", config.robot_state_feature),
        (POSTPROCESSOR, postprocess, "action", config.action_feature),
    ):
        mode = config.normalization_mapping.get(feature.type.value)
        needed = {"MEAN_STD": ("mean", "std"), "MIN_MAX": ("min", "max")}.get(
            getattr(mode, "value", "IDENTITY"), ()
        )
        statistics = _statistics(pipeline).get(key, {})
        values = {}
        for name in needed:
            if name not in statistics:
                raise PolicyError(
                    f"{folder / file}: the statistics of {key} lack {name}; save the processors "
                    "with the dataset's statistics"
                )
            values[name] = np.asarray(statistics[name], dtype=np.float64)
            if values[name].shape != tuple(feature.shape):
                raise PolicyError(
                    f"{folder / file}: {name} of {key} has shape {list(values[name].shape)}, "
                    f"{CONFIG} says {list(feature.shape)}"
                )
            if not np.isfinite(values[name]).all():
                raise PolicyError(f"{folder / file}: {name} of {key} is not finite")
        if "std" in values and (values["std"] < 0).any():
            raise PolicyError(f"{folder / file}: std of {key} has negative entries")
        if "max" in values and (values["max"] < values["min"]).any():
            raise PolicyError(f"{folder / file}: max of {key} is below its min")
