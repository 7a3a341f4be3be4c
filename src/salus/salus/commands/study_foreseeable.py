"""`salus study foreseeable`: what of the failures could be foreseen at all."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def foreseeable(
    stores: Annotated[
        list[Path], typer.Argument(help="Test stores, or folders of stores, of `salus collect`.")
    ],
    model: Annotated[
        str,
        typer.Option(help="Folder of a model to set beside it, or `shipped`; empty for none."),
    ] = "",
    out: Annotated[
        Path, typer.Option(help="Folder of foreseeable.json and foreseeable.md.")
    ] = Path("out/foreseeable"),
    replicates: Annotated[
        int, typer.Option(min=20, help="Bootstrap replicates (episodes drawn again).")
    ] = 300,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print foreseeable.json, no table.")
    ] = False,
) -> None:
    """Count the steps before a failure at which anything of its cause can be seen.

    For every failed episode of the simulation: the first step that shows a disturbance that can
    have caused it. The share R of the positive steps from there on is the recall that no forecaster
    exceeds by knowledge; by guessing it may. F1 is then 2 R / (1 + R) at most: precision is taken
    as perfect. Of several disturbances the earliest to show counts; the same by the latest stands
    beside it.

    Exit status: 0 done, 1 the model has seen these episodes, 2 wrong use or data that does not fit.
    """
    from rich.console import Console

    from salus.foreseeable.study import Options, run_study
    from salus.foreseeable.text import markdown
    from salus_predictor.evaluation.overlap import OverlapError
    from salus_predictor.evaluation.protocol import write_json

    console = Console(stderr=True)
    try:
        with console.status("counting"):
            document = run_study(stores, Options(model, replicates))
    except OverlapError as error:
        typer.echo(f"salus: {error}", err=True)
        raise typer.Exit(1) from None
    command = document["protocol"]["command"] = shlex.join(["salus", *sys.argv[1:]])
    path = write_json(out / "foreseeable.json", document)
    text, page = markdown(document), out / "foreseeable.md"
    page.write_text(f"    {command}\n\n{text}", encoding="utf-8")
    typer.echo(json.dumps(document) if as_json else text)
    console.print(f"{path.resolve()}\n{page.resolve()}", highlight=False, soft_wrap=True)
