"""Nodes composed in this process, in a ROS context of their own; for benchmarks and tests."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rclpy.context import Context
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from salus_data.memory import keep_freed_memory
from salus_ros.topics import NAMESPACE

WAKE = 0.02  # [s]


class Graph:
    """A context manager that holds nodes, spins them and ends them.

    Args:
        domain: ROS domain of the context.
        namespace: of every node.
    """

    def __init__(self, domain: int, namespace: str = NAMESPACE) -> None:
        keep_freed_memory()
        self._context = Context()
        self._context.init(args=[], domain_id=domain)
        self._namespace = namespace
        self._executor = EventsExecutor(context=self._context)
        self._nodes: list[Node] = []

    def add[N](self, make: Callable[..., N], parameters: Mapping[str, Any] | None = None) -> N:
        """Make a node and serve it from now on."""
        node: Any = make(
            context=self._context,
            namespace=self._namespace,
            parameter_overrides=[
                Parameter(name, value=value) for name, value in (parameters or {}).items()
            ],
        )
        self._nodes.append(node)
        self._executor.add_node(node)
        made: N = node
        return made

    def spin_until(self, condition: Callable[[], bool], timeout: float = 20.0) -> bool:
        """Serve callbacks until the condition holds; False where it does not in `timeout` s."""
        due = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > due:
                return False
            self._executor.spin_once(timeout_sec=WAKE)
        return True

    def spin_for(self, seconds: float) -> None:
        """Serve callbacks for some time, for what must not happen."""
        self.spin_until(lambda: False, seconds)

    def close(self) -> None:
        """End every node, in the order in which they were added."""
        for node in self._nodes:
            close = getattr(node, "close", None)
            if close is not None:
                close()
            self._executor.remove_node(node)
            node.destroy_node()
        self._nodes.clear()
        self._executor.shutdown()
        self._context.try_shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
