"""Collect labelled episodes; every node is a process of its own.

    ros2 launch salus collect.launch.py episodes:=500 out:=/data/run1 workers:=2

The arguments are the options of `salus collect`, and both read the same files in config/.
"""

from pathlib import Path

from launch import LaunchDescription
from launch_ros.actions import Node

from salus.collecting.settings import CollectSettings, own_domain, shared_file
from salus.launch_arguments import flag, whole
from salus.launching import Ending, described
from salus_collector.policy.registry import absolute_policy
from salus_ros.topics import NAMESPACE

NODES = (
    ("salus_collector", "sim_node"),
    ("salus_predictor", "supervisor_node"),
    ("salus_collector", "recorder_node"),
    ("salus_collector", "policy_node"),
    ("salus_collector", "collect_node"),
)
ARGUMENTS = {
    "episodes": ("5", "episodes the collection is to have"),
    "out": ("out/episodes", "folder of the collection; one that is begun goes on"),
    "policy": ("expert", "`expert`, `smolvla`, `smolvla-pose`, a folder or hub id"),
    "seed": ("0", "root seed; with the index it decides every episode"),
    "workers": ("1", "how many graphs run, each in a ROS domain of its own"),
    "disturbances": ("default", "`default`, `none`, one family, or a YAML file"),
    "realtime": ("false", "30 Hz of wall time instead of lockstep"),
    "image_size": ("256", "side of the images [px]; 0: none"),
    "bag": ("false", "also record a rosbag2 bag a worker, into OUT/bags"),
    "embedding": ("false", "also record the policy's hidden state"),
    "config": ("", "parameters of the nodes; empty: config/collect.yaml"),
}


def generate_launch_description() -> LaunchDescription:
    return described(ARGUMENTS, start)


def start(given: dict[str, str]) -> list:
    mix = given["disturbances"]
    settings = CollectSettings(
        episodes=whole(given, "episodes"),
        out=Path(given["out"]).resolve(),
        policy=absolute_policy(given["policy"]),
        seed=whole(given, "seed"),
        workers=whole(given, "workers"),
        disturbances=str(shared_file("config", "disturbances.yaml")) if mix == "default" else mix,
        realtime=flag(given, "realtime"),
        image_size=whole(given, "image_size"),
        config=Path(given["config"] or shared_file("config", "collect.yaml")),
        bag=flag(given, "bag"),
        embedding=flag(given, "embedding"),
    )
    settings.check()
    settings.check_out()
    ending = Ending(settings.workers)
    actions = []
    for worker in range(settings.workers):
        actions += graph(settings, worker, ending)
    return actions


def graph(settings: CollectSettings, worker: int, ending: Ending) -> list:
    """The nodes of one worker; the last collect_node ends the launch, and so does a crash."""
    files = settings.parameter_files(worker)
    environment = own_domain(worker) if settings.workers > 1 else {}
    actions = []
    nodes = ((("salus_collector", "bag_node"),) if settings.bag else ()) + NODES
    for package, executable in nodes:
        node = Node(
            package=package,
            executable=executable,
            namespace=NAMESPACE,
            parameters=[str(path) for path in files],
            output="screen",
            additional_env=environment,
        )
        name, last = f"{executable} of worker {worker}", executable == "collect_node"
        actions += [node, ending.watch(node, name, decides=last)]
    return actions
