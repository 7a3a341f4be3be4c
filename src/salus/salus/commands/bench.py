"""`salus bench`: how fast, how small and how safe, each against a named alternative."""

from pathlib import Path
from typing import Annotated

import typer

from salus.bench import harness

app = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, nothing else.")]
ImageSize = Annotated[int, typer.Option(min=16, max=2048, help="Side of the images [px].")]


Rounds = Annotated[
    int, typer.Option(min=1, help="Times that each alternative runs; the fastest counts.")
]


@app.callback()
def bench() -> None:
    """Measure SALUS against a named alternative in the same run.

    Exit status of every benchmark: 0 targets met, 1 one was missed, 2 wrong use.
    """


@app.command("sim")
def sim(rounds: Rounds = 5, image_size: ImageSize = 256, as_json: AsJson = False) -> None:
    """The loop of sim_node over ROS against bare MuJoCo with the same frames (half a minute)."""
    from salus.bench.sim import measure

    harness.run("sim", lambda: measure(rounds, image_size), as_json=as_json)


@app.command("labels")
def labels(rounds: Rounds = 5, as_json: AsJson = False) -> None:
    """Labelling 500 episodes of 200 steps against a plain loop (seconds)."""
    from salus.bench.labels import measure

    harness.run("labels", lambda: measure(rounds), as_json=as_json)
