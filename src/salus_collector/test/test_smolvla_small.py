"""The small SmolVLA is LeRobot's own class, built without a hub, and reads what it should."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salus_collector.policy.smolvla.small import (
    Architecture,
    absent_images,
    small_policy,
    write_vlm,
)

torch = pytest.importorskip("torch")
pytest.importorskip("lerobot")

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and LeRobot

TINY = Architecture(hidden=32, layers=2, heads=2, intermediate=32, chunk=4, flow_steps=2)
TASK = "pick up the red cube and place it in the blue bin\n"


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "vlm"
    write_vlm(folder, TINY, ["weigh the quince"])
    return folder


def batch(policy: Any, vlm: Path, rows: int = 3) -> dict[str, Any]:
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(vlm)([TASK] * rows, return_tensors="pt")
    random = torch.Generator().manual_seed(0)
    return {
        "observation.state": torch.randn(rows, 5, generator=random),
        "observation.language.tokens": tokens.input_ids,
        "observation.language.attention_mask": tokens.attention_mask.bool(),
        **absent_images(policy.config, rows),
    }


def test_it_is_lerobots_class_and_all_of_it_learns(vlm: Path) -> None:
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

    torch.manual_seed(0)
    policy = small_policy(vlm, TINY, state_size=5, action_size=7)
    assert type(policy) is SmolVLAPolicy
    loss, _ = policy.forward(batch(policy, vlm) | {"action": torch.randn(3, 4, 7)})
    loss.backward()
    last = policy.model.vlm_with_expert.get_vlm_model().text_model.layers[-1]
    for weight in (last.self_attn.k_proj.weight, policy.model.state_proj.weight):
        assert weight.grad is not None
        assert weight.grad.abs().max() > 0


def test_an_absent_camera_changes_nothing(vlm: Path) -> None:
    torch.manual_seed(0)
    policy = small_policy(vlm, TINY, state_size=5, action_size=7)
    noise = torch.randn(3, 4, 7)
    dark = batch(policy, vlm)
    bright = {k: torch.rand_like(v) if k.endswith("camera_0") else v for k, v in dark.items()}
    actions = policy.predict_action_chunk(dark, noise=noise)
    assert actions.shape == (3, 4, 7)
    torch.testing.assert_close(policy.predict_action_chunk(bright, noise=noise), actions)
    other = dark | {"observation.state": dark["observation.state"] + 1}
    assert (policy.predict_action_chunk(other, noise=noise) - actions).abs().max() > 1e-3


def test_a_real_camera_is_read(vlm: Path) -> None:
    torch.manual_seed(0)
    policy = small_policy(
        vlm, TINY, state_size=5, action_size=7, cameras=["observation.images.front"]
    )
    assert absent_images(policy.config, 3) == {}
    noise, seen = torch.randn(3, 4, 7), batch(policy, vlm)
    dark, bright = (
        seen | {"observation.images.front": torch.full((3, 3, 8, 8), v)} for v in (0.0, 1.0)
    )
    first = policy.predict_action_chunk(dark, noise=noise)
    assert (policy.predict_action_chunk(bright, noise=noise) - first).abs().max() > 1e-6


def test_the_tokenizer_spells_anything(vlm: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(vlm)
    for text in (TASK, "weigh the quince", "Größe 5 µm\n"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert len(tokenizer(TASK).input_ids) < 25


def test_the_same_folder_comes_out_twice(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        write_vlm(tmp_path / name, TINY)
        files = sorted((tmp_path / name).iterdir())
        contents.append({file.name: file.read_bytes() for file in files})
    assert contents[0] == contents[1]
    assert {"config.json", "processor_config.json", "tokenizer.json"} <= set(contents[0])
    assert np.all([len(c) for c in contents])
