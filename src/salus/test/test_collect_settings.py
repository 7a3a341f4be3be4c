"""What the nodes of a collection are told."""

import dataclasses
from pathlib import Path

import pytest

from salus.collecting.settings import CollectSettings, shared_file
from salus_data.errors import FormatError

SETTINGS = CollectSettings(
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


def told(**changes: str) -> dict[str, object]:
    """Parameters of policy_node."""
    settings = dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return settings.node_parameters(0)["policy_node"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("episodes", 0), ("workers", 0), ("seed", -1), ("image_size", -1), ("image_size", 4096)],
)
def test_a_number_that_cannot_be_is_refused_by_option_value_and_range(
    field: str, value: int
) -> None:
    option = "--" + field.replace("_", "-")
    with pytest.raises(FormatError, match=f"{option} is {value}; give "):
        dataclasses.replace(SETTINGS, **{field: value}).check()  # type: ignore[arg-type]


def test_the_command_that_is_kept_can_be_pasted_into_a_shell() -> None:
    settings = dataclasses.replace(SETTINGS, out=Path("/a folder/x"))
    assert "--out '/a folder/x' " in settings.command()


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
        dataclasses.replace(SETTINGS, policy="smolvla", image_size=size).check()
    dataclasses.replace(SETTINGS, policy="smolvla").check()


def test_a_policy_that_looks_takes_no_second_pair_of_eyes() -> None:
    with pytest.raises(FormatError, match="--policy smolvla looks for itself"):
        dataclasses.replace(SETTINGS, policy="smolvla", localiser="shipped").check()
    dataclasses.replace(SETTINGS, policy="smolvla-pose", localiser="shipped").check()
