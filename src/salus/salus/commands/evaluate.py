"""`salus evaluate`: how good a model is on episodes that it has never seen."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[
        str, typer.Argument(help="Folder of the model, or `shipped`, the one in the package.")
    ],
    stores: Annotated[
        list[Path], typer.Argument(help="Stores, or folders of stores, that are read together.")
    ],
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Where metrics go [default: metrics.json in the model]."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Where the page goes [default: report.html in the model]."),
    ] = None,
    far: Annotated[
        float | None,
        typer.Option(
            help="Share of successful episodes that may see an alarm, above 0 and below 1; alarm "
            "thresholds are then taken anew from the model's validation episodes."
        ),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="More models to show in the table, such as one with time."),
    ] = None,
    baselines: Annotated[
        Path | None,
        typer.Option(help="benchmark.json of `salus benchmark --test` with the same test stores."),
    ] = None,
    reaction_time: Annotated[
        float, typer.Option(min=0.0, help="Seconds before an event when an alarm is too late.")
    ] = 0.1,
    replicates: Annotated[
        int, typer.Option(min=20, help="Bootstrap replicates (episodes drawn again).")
    ] = 300,
    allow_overlap: Annotated[
        bool,
        typer.Option(
            "--allow-overlap", help="Score episodes that the model has seen; the result says so."
        ),
    ] = False,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "",
) -> None:
    """Score a model: metrics.json, and a page that explains them.

    Thresholds are those in the model's folder, chosen on its validation episodes. Stores with
    episodes that the model was fitted to are refused.

    Exit status: 0 done, 1 the model has seen these episodes, 2 wrong use or data that does not fit.
    """
    from rich.console import Console

    from salus.commands.evaluate_text import print_evaluation
    from salus_predictor.evaluation.evaluate import Settings
    from salus_predictor.evaluation.overlap import OverlapError
    from salus_predictor.evaluation.protocol import write_json
    from salus_predictor.evaluation.run import evaluate_model
    from salus_predictor.report.page import write_report

    console = Console(stderr=True)
    try:
        with console.status("scoring"):
            result = evaluate_model(
                model,
                stores,
                far=far,
                beside=beside or (),
                baselines=baselines,
                settings=Settings(reaction_time=reaction_time, replicates=replicates),
                allow_overlap=allow_overlap,
                command=shlex.join(["salus", *sys.argv[1:]]),
            )
    except OverlapError as error:
        typer.echo(f"salus: {error}", err=True)
        raise typer.Exit(1) from None
    for line in result.warnings:
        console.print(f"[bold yellow]warning[/] {line}", highlight=False)
    metrics = write_json(json_file or result.folder / "metrics.json", result.document)
    with console.status("drawing"):
        page = write_report(result, report or result.folder / "report.html", title=title)
    print_evaluation(result, Console())
    typer.echo(f"{metrics.resolve()}\n{page.resolve()}")
