"""What the nodes of a collection are told."""

from pathlib import Path

import pytest

from salus.collecting.settings import CollectSettings, shared_file


def told(**changes: str) -> dict[str, object]:
    """Parameters of policy_node."""
    settings = CollectSettings(
        episodes=1,
        out=Path("out"),
        policy="expert",
        seed=0,
        workers=1,
        disturbances="none",
        realtime=False,
        image_size=128,
        config=shared_file("config", "collect.yaml"),
        **changes,  # type: ignore[arg-type]
    )
    return settings.node_parameters(0)["policy_node"]


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
