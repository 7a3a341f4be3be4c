"""`salus replay`: a bag through a predictor, as on the robot."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer


def replay(
    bag: Annotated[Path, typer.Argument(help="A bag of SALUS: a folder, or a file.")],
    model: Annotated[
        str, typer.Option(help="Folder of the model that forecasts, or `shipped`.")
    ] = "shipped",
    forecasts: Annotated[
        Path | None, typer.Option(help="Write each forecast to this file, one JSON object a line.")
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="At the recorded speed, instead of in lockstep.")
    ] = False,
    rate: Annotated[float, typer.Option(help="With --realtime: recorded seconds a second.")] = 1.0,
    patience: Annotated[
        float, typer.Option(min=0.1, help="Wall time to wait for a forecast [s].")
    ] = 5.0,
    namespace: Annotated[str, typer.Option(help="Of the graph that is played.")] = "/salus",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Play a bag to predictor_node, message by message, and tell what it forecasts.

    Where the bag holds forecasts of the same model, the largest difference is told.

    Exit status: 0 every step was answered, 1 some were not or the bag is damaged, 2 wrong use.
    """
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.experimental import EventsExecutor
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from rich.console import Console

    from salus_data.bags.source import Bag
    from salus_predictor.nodes.predictor_node import PredictorNode
    from salus_predictor.nodes.replay_node import ReplayNode
    from salus_predictor.online.load import load_watched
    from salus_ros.node import spin

    known = model if model == "shipped" else str(Path(model).resolve())
    # What cannot be read is told before anything of ROS is there.
    load_watched(known)
    Bag(bag).close()
    rclpy.init(args=["--ros-args", "-r", f"__ns:={namespace}", "--log-level", "warn"])
    nodes: list[Node] = []
    executor = EventsExecutor()
    lines: list[dict[str, Any]] = []
    started = time.monotonic()
    try:
        nodes.append(PredictorNode(parameter_overrides=[Parameter("model", value=known)]))
        settings = {
            "bag": str(bag),
            "lockstep": not realtime,
            "rate": rate,
            "patience": patience,
        }
        player = ReplayNode(
            on_forecast=(lambda message: lines.append(_plain(message))) if forecasts else None,
            parameter_overrides=[Parameter(name, value=v) for name, v in settings.items()],
        )
        nodes.append(player)
        for node in nodes:
            executor.add_node(node)
        with Console(stderr=True).status("replaying"):
            status = spin(executor, lambda: player.status)
    except (KeyboardInterrupt, ExternalShutdownException):
        raise typer.Exit(130) from None
    finally:
        for node in nodes:
            close = getattr(node, "close", None)
            if close is not None:
                close()
            node.destroy_node()
        rclpy.try_shutdown()
    if forecasts is not None:
        forecasts.parent.mkdir(parents=True, exist_ok=True)
        forecasts.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    told = player.result() | {"seconds": round(time.monotonic() - started, 1)}
    typer.echo(json.dumps(told) if as_json else f"{bag}: {player.line()}")
    if not as_json:
        for problem in told["problems"]:
            typer.echo(f"damaged: {bag}: {problem}")
    raise typer.Exit(status)


def _plain(message: Any) -> dict[str, Any]:
    """A FailureForecast as JSON; NaN becomes null."""
    shape = len(message.horizons), len(message.failure_types)
    values = [value if value == value else None for value in message.probability]
    width = shape[1]
    return {
        "episode": message.episode_id,
        "step": int(message.step),
        "horizons_s": list(message.horizons),
        "failure_types": list(message.failure_types),
        "probability": [values[row * width : (row + 1) * width] for row in range(shape[0])],
        "level": int(message.level),
        "stale_reason": message.stale_reason,
    }
