"""Watch a robot: a predictor beside it and a supervisor in its command path.

    ros2 launch salus monitor.launch.py model:=MODEL                  # a robot that runs elsewhere
    ros2 launch salus monitor.launch.py model:=MODEL simulate:=true   # with a simulated one

The robot's graph must publish the topics of docs/ARCHITECTURE.md and must not run a supervisor of
its own. `salus monitor` shows what goes on. With a simulated robot the launch ends with the last
episode, or when a node of the robot crashes. A predictor that crashes ends nothing: that the
supervisor then holds is what it is for.
"""

from pathlib import Path

from launch import LaunchDescription
from launch_ros.actions import Node

from salus.collecting.settings import CollectSettings, shared_file
from salus.launch_arguments import flag, whole
from salus.launching import Ending, described
from salus_collector.policy.registry import absolute_policy
from salus_ros.topics import NAMESPACE

WATCH = (("salus_predictor", "predictor_node"), ("salus_predictor", "supervisor_node"))
ROBOT = (
    ("salus_collector", "sim_node"),
    ("salus_collector", "recorder_node"),
    ("salus_collector", "policy_node"),
    ("salus_collector", "collect_node"),
)
ARGUMENTS = {
    "model": ("shipped", "folder of the model, or `shipped`"),
    "supervise": ("auto", "shadow, active, or auto: by what the model was calibrated on"),
    "rules": ("", "YAML file of the supervisor; empty: config/supervisor.yaml"),
    "black_box": ("out/black_box", "folder of bags around warnings and interventions; none: off"),
    "simulate": ("false", "start a simulated robot and its policy, too"),
    "episodes": ("20", "simulate: episodes"),
    "out": ("out/monitored", "simulate: folder of the recorded episodes"),
    "policy": ("smolvla", "simulate: `expert`, `smolvla`, `smolvla-pose`, a folder or hub id"),
    "seed": ("0", "simulate: root seed"),
    "disturbances": ("default", "simulate: `default`, `none`, one family, or a YAML file"),
    "realtime": ("false", "30 Hz of wall time instead of lockstep"),
    "image_size": ("256", "simulate: side of the images [px]; 0: none"),
}


def generate_launch_description() -> LaunchDescription:
    return described(ARGUMENTS, start)


def start(given: dict[str, str]) -> list:
    mix, model = given["disturbances"], given["model"]
    settings = CollectSettings(
        episodes=whole(given, "episodes"),
        out=Path(given["out"]).resolve(),
        policy=absolute_policy(given["policy"]),
        seed=whole(given, "seed"),
        workers=1,
        disturbances=str(shared_file("config", "disturbances.yaml")) if mix == "default" else mix,
        realtime=flag(given, "realtime"),
        image_size=whole(given, "image_size"),
        config=shared_file("config", "collect.yaml"),
        model=model if model == "shipped" else str(Path(model).resolve()),
        supervise=given["supervise"],
        rules=given["rules"],
    )
    settings.check()
    if simulate := flag(given, "simulate"):
        settings.check_out()
    files = [str(path) for path in settings.parameter_files(0)]
    nodes = [*WATCH, *(ROBOT if simulate else ())]
    box = given["black_box"]
    own = {"black_box_node": [{"folder": str(Path(box).resolve())}]}
    if box != "none":
        nodes.append(("salus_predictor", "black_box_node"))
    ending, actions = Ending(), []
    for package, executable in nodes:
        node = Node(
            package=package,
            executable=executable,
            namespace=NAMESPACE,
            parameters=[*files, *own.get(executable, [])],
            output="screen",
        )
        actions.append(node)
        if (package, executable) in ROBOT:
            last = executable == "collect_node"
            actions.append(ending.watch(node, executable, decides=last))
    return actions
