"""When a node's report goes out: once a second, and not in the middle of a step."""

from types import SimpleNamespace

import pytest
from rclpy.node import Node

from salus_ros import diagnostics as diagnostics_module
from salus_ros.diagnostics import PERIOD, Diagnostics
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph

pytestmark = [
    pytest.mark.ros,
    # Of lark, which ROS's message types import.
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

STEP = 0.05  # [s]


def test_a_report_waits_for_the_end_of_a_step_but_not_for_a_step_that_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # However slow the machine is, another step is expected.
    monkeypatch.setattr(diagnostics_module, "FLOWING", 1000.0)
    with claimed_domain() as domain, Graph(domain) as graph:
        node = graph.add(lambda **options: Node("worker", **options))
        diagnostics = Diagnostics(node)
        over = False
        told: list[bool] = []
        monkeypatch.setattr(
            diagnostics, "_publisher", SimpleNamespace(publish=lambda _: told.append(over))
        )
        assert graph.spin_until(lambda: bool(told)), "no step: the report comes by itself"
        told.clear()
        for _ in range(100):
            graph.spin_for(STEP)
            over = True
            diagnostics.step_over()
            over = False
            if len(told) == 2:
                break
        assert told == [True, True], "not amid a step"
        assert graph.spin_until(lambda: len(told) > 2, 2 * PERIOD + 5), "the last step hangs"
