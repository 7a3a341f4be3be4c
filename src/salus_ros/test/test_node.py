"""How a node's process ends, seen from outside."""

import os
import signal
import subprocess
import sys
import time

import pytest

NODE = """
import time
from rclpy.node import Node
from salus_ros import node as module

class Quick(Node):
    def __init__(self):
        super().__init__("quick")
        print("there", flush=True)

    def close(self):
        print("closed", flush=True)

class Stuck(Quick):
    def destroy_node(self):
        time.sleep(60)

class Ticking(Quick):
    def __init__(self):
        super().__init__()
        self._timer = self.create_timer(0.01, self._tick)

    def _tick(self):
        self._timer.cancel()
        print("tick", flush=True)

class Over(Ticking):
    status = None

    def _tick(self):
        self.status = 3

module.END_WITHIN = 0.5
module.run_node(KIND)
"""


def ended(kind: str, *, interrupts: bool = False) -> tuple[int, str, str, float]:
    """Status, what it said on both streams, and the seconds from SIGTERM to the end.

    Args:
        kind: of node.
        interrupts: SIGINT in place of SIGTERM, again and again until the process has ended.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", NODE.replace("KIND", kind)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"},
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    time.sleep(0.5)  # it serves
    began = time.monotonic()
    process.send_signal(signal.SIGINT if interrupts else signal.SIGTERM)
    while interrupts and process.poll() is None:
        time.sleep(0.002)
        process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=50)
    return process.returncode, told, errors, time.monotonic() - began


@pytest.mark.ros
def test_a_node_that_is_told_to_end_closes_and_ends_with_0() -> None:
    status, told, errors, _ = ended("Quick")
    assert (status, told, errors) == (0, "closed\n", "")


@pytest.mark.ros
def test_one_that_is_interrupted_again_while_it_ends_ends_with_0() -> None:
    status, told, errors, _ = ended("Quick", interrupts=True)
    assert (status, told, errors) == (0, "closed\n", "")


@pytest.mark.ros
def test_a_node_is_served_until_it_is_told_to_end() -> None:
    status, told, errors, _ = ended("Ticking")
    assert (status, told, errors) == (0, "tick\nclosed\n", "")


@pytest.mark.ros
def test_a_node_with_a_status_ends_by_itself() -> None:
    status, told, errors, _ = ended("Over")
    assert (status, told, errors) == (3, "closed\n", "")


@pytest.mark.ros
def test_one_that_hangs_once_it_is_closed_says_where_and_ends() -> None:
    status, told, errors, seconds = ended("Stuck")
    assert (status, told) == (1, "closed\n")
    assert "in destroy_node" in errors
    assert seconds < 30
