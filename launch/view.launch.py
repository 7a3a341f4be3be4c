"""Look at a graph that runs: RViz with the scene, both cameras, the intended path and the risk.

    ros2 launch salus view.launch.py
    ros2 launch salus view.launch.py rviz:=false    # the markers alone, for Foxglove

Foxglove: connect to a foxglove_bridge and open share/salus/config/foxglove.json.
"""

from launch import LaunchDescription
from launch_ros.actions import Node

from salus.collecting.settings import shared_file
from salus.launch_arguments import flag
from salus.launching import described
from salus_ros.topics import BASE_FRAME, NAMESPACE

ARGUMENTS = {
    "rviz": ("true", "start RViz"),
    "config": ("", "of RViz; empty: config/salus.rviz"),
    "namespace": (NAMESPACE, "of the robot; the topics in config/salus.rviz are below /salus"),
}


def generate_launch_description() -> LaunchDescription:
    return described(ARGUMENTS, start)


def start(given: dict[str, str]) -> list:
    nodes = [
        Node(
            package="salus_predictor",
            executable="risk_view_node",
            namespace=given["namespace"],
            output="screen",
        )
    ]
    if flag(given, "rviz"):
        nodes += [
            # A graph without tf2_msgs publishes no tf, and RViz shows nothing in a frame that it
            # has never heard of. sim_node says the same where it can.
            Node(
                package="tf2_ros",
                executable="static_transform_publisher",
                arguments=["--frame-id", "world", "--child-frame-id", BASE_FRAME],
            ),
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", given["config"] or str(shared_file("config", "salus.rviz"))],
                output="screen",
            ),
        ]
    return nodes
