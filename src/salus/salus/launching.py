"""What the launch files have in common: arguments with a default and a description each."""

from collections.abc import Callable, Mapping
from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration


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
