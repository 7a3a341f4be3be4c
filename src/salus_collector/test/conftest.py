"""MuJoCo chooses its renderer when it is first imported; the choice must come before any test."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import salus_collector.sim  # noqa: F401 - sets MUJOCO_GL

# The tests are imported by path, so their helpers have to be found by path, too.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def ros_domain() -> Iterator[int]:
    """A ROS domain that no other run on this machine has."""
    pytest.importorskip("salus_msgs.msg")
    from salus_ros.domain import claimed_domain

    with claimed_domain() as domain:
        yield domain


@pytest.fixture
def graph(ros_domain: int) -> Iterator[Any]:
    """An empty graph of nodes in this process."""
    from salus_ros.graph import Graph

    with Graph(ros_domain) as graph:
        yield graph
