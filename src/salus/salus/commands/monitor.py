"""`salus monitor`: a live view of a watched robot, and the watching itself where asked for."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer


def monitor(
    model: Annotated[
        str,
        typer.Option(
            help="Run predictor and supervisor here too, with this model folder or `shipped`; "
            "empty: only look at a graph that has them."
        ),
    ] = "",
    shadow: Annotated[
        bool, typer.Option("--shadow", help="With --model: only tell what would be done.")
    ] = False,
    rules: Annotated[
        str, typer.Option(help="With --model: rules; empty: config/supervisor.yaml.")
    ] = "",
    realtime: Annotated[
        bool, typer.Option("--realtime", help="With --model: the robot does not wait for actions.")
    ] = False,
    black_box: Annotated[
        Path | None,
        typer.Option(help="Folder of bags around warnings and interventions; none by default."),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the robot.")] = "/salus",
    seconds: Annotated[
        float, typer.Option(min=0.0, help="End after so long [s]; 0: until Ctrl-C.")
    ] = 0.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a second instead of the view.")
    ] = False,
) -> None:
    """Show risk per failure type, level, supervisor state and rates of a running graph.

    Exit status: 0 ended, 1 nothing was heard, 2 wrong use.
    """
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.experimental import EventsExecutor
    from rclpy.impl.implementation_singleton import rclpy_implementation
    from rclpy.node import Node

    from salus.collecting.settings import shared_file
    from salus.monitoring.listener import MonitorListener

    arguments = ["--ros-args", "-r", f"__ns:={namespace}", "--log-level", "warn"]
    if model:
        from salus_predictor.nodes.predictor_node import PredictorNode
        from salus_predictor.nodes.supervisor_node import SupervisorNode

        path = model if model == "shipped" else str(Path(model).resolve())
        asked = rules or str(shared_file("config", "supervisor.yaml"))
        for name, value in {
            "predictor_node:model": path,
            "supervisor_node:supervise": "shadow" if shadow else "auto",
            "supervisor_node:rules": asked,
            "supervisor_node:time_mode": "realtime" if realtime else "lockstep",
        }.items():
            arguments += ["-p", f"{name}:={value}"]
    if black_box is not None:
        arguments += ["-p", f"black_box_node:folder:={black_box.resolve()}"]
    rclpy.init(args=arguments)
    nodes: list[Node] = []
    executor = EventsExecutor()
    heard_any = False
    try:
        listener = MonitorListener()
        nodes.append(listener)
        if model:
            nodes += [PredictorNode(), SupervisorNode()]
        if black_box is not None:
            from salus_predictor.nodes.black_box_node import BlackBoxNode

            nodes.append(BlackBoxNode())
        for node in nodes:
            executor.add_node(node)
        heard_any = _watch(executor, listener, seconds, as_json)
    except (KeyboardInterrupt, ExternalShutdownException):
        heard_any = True
    except rclpy_implementation.RCLError:
        if rclpy.ok():
            raise
        heard_any = True  # told to end while it was starting
    finally:
        for node in nodes:
            if (close := getattr(node, "close", None)) is not None:
                close()
            node.destroy_node()
        rclpy.try_shutdown()
    if not heard_any:
        typer.echo(f"salus: nothing was heard below {namespace}; does a graph run?", err=True)
        raise typer.Exit(1)


def _watch(executor: Any, listener: Any, seconds: float, as_json: bool) -> bool:
    """Serve and show until the time is over; whether anything was heard."""
    import rclpy
    from rich.console import Console
    from rich.live import Live

    from salus.monitoring.screen import screen

    heard = listener.heard
    end = time.monotonic() + seconds if seconds else float("inf")
    shown = time.monotonic()
    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        while rclpy.ok() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
            period = 1.0 if as_json else 0.25
            if time.monotonic() - shown < period:
                continue
            shown = time.monotonic()
            if as_json:
                live.console.print_json(json.dumps(heard.to_json()), indent=None)
            else:
                live.update(screen(heard), refresh=True)
    return bool(heard.episode or heard.state or heard.diagnostics)
