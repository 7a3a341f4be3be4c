"""Replay a bag: train on it, or play it to a predictor as if the robot ran.

    ros2 launch salus replay.launch.py bag:=BAG model:=MODEL                  # forecasts, warnings
    ros2 launch salus replay.launch.py bag:=BAG train:=true model:=MODEL      # makes MODEL

The launch ends with the training or the replay, and with 1 where that failed, so that a script can
tell. Without `launch` there are `salus replay` and `salus train --bag`, which do the same.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import ExecuteProcess
from launch_ros.actions import Node

from salus.launch_arguments import flag, number
from salus.launching import Ending, described
from salus_data.errors import FormatError
from salus_ros.topics import NAMESPACE

ARGUMENTS = {
    "bag": ("", "the bag: a folder or a file; several with commas for train:=true"),
    "train": ("false", "train a model on the bag instead of playing it"),
    "model": ("shipped", "model that forecasts, or the folder that train:=true writes"),
    "epochs": ("50", "train: epochs at most"),
    "train_arguments": ("", "train: further options of `salus train`, such as `--kind trees`"),
    "lockstep": ("true", "play a step when the one before has its forecast; else by log time"),
    "rate": ("1.0", "without lockstep: recorded seconds a second"),
}


def generate_launch_description() -> LaunchDescription:
    return described(ARGUMENTS, start)


def start(given: dict[str, str]) -> list:
    bags = [str(Path(name).resolve()) for name in given["bag"].split(",") if name]
    for bag in bags or [""]:
        if not bag or not Path(bag).exists():
            raise FormatError(f"bag:={given['bag']}: no such bag")
    if flag(given, "train"):
        return training(given, bags)
    if len(bags) > 1:
        raise FormatError(f"bag:={given['bag']}: one bag is played at a time")
    return playing(given, bags[0])


def training(given: dict[str, str], bags: list[str]) -> list:
    if given["model"] == "shipped":
        raise FormatError("model:=shipped: train:=true needs the folder that it is to write")
    command = ["salus", "train", "--out", given["model"], "--epochs", given["epochs"]]
    for bag in bags:
        command += ["--bag", bag]
    train = ExecuteProcess(cmd=command + given["train_arguments"].split(), output="screen")
    return [train, Ending().watch(train, "salus train", decides=True)]


def playing(given: dict[str, str], bag: str) -> list:
    model = given["model"]
    predictor = Node(
        package="salus_predictor",
        executable="predictor_node",
        namespace=NAMESPACE,
        parameters=[{"model": model if model == "shipped" else str(Path(model).resolve())}],
        output="screen",
    )
    player = Node(
        package="salus_predictor",
        executable="replay_node",
        namespace=NAMESPACE,
        parameters=[
            {
                "bag": bag,
                "lockstep": flag(given, "lockstep"),
                "rate": number(given, "rate"),
            }
        ],
        output="screen",
    )
    ending = Ending()  # with whichever ends first
    return [
        predictor,
        player,
        ending.watch(player, "replay_node", decides=True),
        ending.watch(predictor, "predictor_node", decides=True),
    ]
