"""What the nodes of a collection are told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salus.collecting.settings import CollectSettings, shared_file
from salus_data.errors import FormatError


def asked(**changes: Any) -> CollectSettings:
    """One episode of the expert, or what is said instead."""
    usual = CollectSettings(
        episodes=1,
        out=Path("out"),
        policy="expert",
        seed=0,
        workers=1,
        disturbances="none",
        realtime=False,
        image_size=128,
        config=shared_file("config", "collect.yaml"),
    )
    return replace(usual, **changes)


def told(**changes: str) -> dict[str, object]:
    """Parameters of policy_node."""
    return asked(**changes).node_parameters(0)["policy_node"]


@pytest.mark.parametrize(
    ("model", "supervise", "looks"),
    [("", "auto", False), ("m", "shadow", False), ("m", "auto", True), ("m", "active", True)],
)
def test_the_policy_looks_again_only_where_a_supervisor_may_act(
    model: str, supervise: str, looks: bool
) -> None:
    found = told(model=model, supervise=supervise, localiser="shipped")
    assert found.get("second_look", "") == ("shipped" if looks else "")


def test_without_a_localiser_it_never_looks() -> None:
    assert "second_look" not in told(model="m", supervise="active")


@pytest.mark.parametrize("size", [0, 100])
def test_a_policy_that_looks_needs_images_of_its_size(size: int) -> None:
    with pytest.raises(FormatError, match=f"--image-size is {size}; --policy smolvla .* 128"):
        asked(policy="smolvla", image_size=size).check()
    asked(policy="smolvla").check()


def test_a_policy_that_looks_takes_no_second_pair_of_eyes() -> None:
    with pytest.raises(FormatError, match="--policy smolvla looks for itself"):
        asked(policy="smolvla", localiser="shipped").check()
    asked(policy="smolvla-pose", localiser="shipped").check()
