"""What the launch files have in common: arguments, and how a launch ends."""

from collections.abc import Callable, Mapping
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration

LAST = "collect_node"
"""The node that knows when all episodes of its graph are done."""


def described(
    arguments: Mapping[str, tuple[str, str]], start: Callable[[dict[str, str]], list[Any]]
) -> LaunchDescription:
    """A launch description that asks for arguments.

    Args:
        arguments: default and description by name.
        start: given the values by name, as text; returns what is launched.
    """

    def run(context: LaunchContext) -> list[Any]:
        return start({name: LaunchConfiguration(name).perform(context) for name in arguments})

    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=run)])


class Ending:
    """Ends a launch when the last collect_node has ended, or when a node has failed.

    A failure is raised, which `launch` turns into its exit status 1, so that a script can tell.

    Args:
        graphs: how many collect_nodes there are, one a graph.
    """

    def __init__(self, graphs: int = 1) -> None:
        self._running, self._failed = graphs, ""

    def watch(self, node: ExecuteProcess, executable: str, place: str = "") -> RegisterEventHandler:
        """A handler to launch beside a node.

        Args:
            node: that is watched.
            executable: its name in its package.
            place: which graph it belongs to, for the reason; empty where there is one.
        """

        def react(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
            if context.is_shutdown:
                return None
            if event.returncode:
                self._failed = f"{executable}{place} ended with status {event.returncode}"
            if executable == LAST:
                # The other graphs go on: what one of them discarded is nothing to them.
                self._running -= 1
                if self._running:
                    return None
            if self._failed:
                raise RuntimeError(self._failed)
            return _shutdown("the collection has ended") if executable == LAST else None

        return RegisterEventHandler(OnProcessExit(target_action=node, on_exit=react))


def _shutdown(reason: str) -> EmitEvent:
    return EmitEvent(event=Shutdown(reason=reason))
