"""When a node's report goes out: once a second, and not in the middle of a step."""

import time

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from salus_ros import topics
from salus_ros.diagnostics import PERIOD, Diagnostics
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph

pytestmark = [
    pytest.mark.ros,
    # Of lark, which ROS's message types import.
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]

STEP = 0.05  # [s]


def test_a_report_waits_for_the_end_of_a_step_but_not_for_a_step_that_never_ends() -> None:
    heard: list[float] = []
    with claimed_domain() as domain, Graph(domain) as graph:
        node = graph.add(lambda **options: Node("worker", **options))
        diagnostics = Diagnostics(node)
        ear = graph.add(lambda **options: Node("ear", **options))
        ear.create_subscription(
            DiagnosticArray, topics.DIAGNOSTICS, lambda _: heard.append(time.monotonic()), 100
        )
        assert graph.spin_until(lambda: bool(heard)), "no step: the report comes by itself"
        heard.clear()
        ends: list[float] = []
        while len(heard) < 2:
            graph.spin_for(STEP)
            ends.append(time.monotonic())
            diagnostics.step_over()
            graph.spin_for(STEP / 5)
            assert len(ends) < 100
        for at in heard:
            began = max(end for end in ends if end <= at)
            assert at - began < STEP / 5 + 0.01, "in the gap after a step"
        heard.clear()
        assert graph.spin_until(lambda: bool(heard), 2 * PERIOD + 0.5), "the last step hangs"
