"""What the launch files have in common: arguments, and how a launch ends."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration

TRANSPORT: Final = ("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")
"""Over shared memory, Fast DDS loses messages to the living for 20 s once a process was killed
(docs/SUPERVISOR.md). As in env.sh, for those who launch without it; what is set already stays."""


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
    name, value = TRANSPORT
    transport = SetEnvironmentVariable(name, os.environ.get(name, value))
    return LaunchDescription([*declared, transport, OpaqueFunction(function=run)])


class Ending:
    """Ends a launch when those that decide it have ended, or when any that is watched has failed.

    A failure is raised, which `launch` turns into its exit status 1, so that a script can tell.

    Args:
        deciding: how many processes have to end.
    """

    def __init__(self, deciding: int = 1) -> None:
        self._running, self._failed = deciding, ""

    def watch(
        self, process: ExecuteProcess, name: str, *, decides: bool = False
    ) -> RegisterEventHandler:
        """A handler to launch beside a process.

        Args:
            process: that is watched.
            name: of it, for the reason.
            decides: it is one of those that have to end. While others of them run, its failure is
                only kept: what one graph discarded is nothing to the others.
        """

        def react(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
            if context.is_shutdown:
                return None
            if event.returncode:
                self._failed = f"{name} ended with status {event.returncode}"
            if decides:
                self._running -= 1
                if self._running > 0:
                    return None
            if self._failed:
                raise RuntimeError(self._failed)
            return EmitEvent(event=Shutdown(reason=f"{name} has ended")) if decides else None

        return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=react))
