"""`salus study predictor`: the tables of a result, from one command."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def predictor(
    train: Annotated[
        list[Path], typer.Argument(help="Stores, or folders of stores, to train and validate on.")
    ],
    test: Annotated[
        list[Path], typer.Option(help="Stores to score on, with other seeds; repeatable.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of study.json, study.md and what every run kept.")
    ] = Path("out/study"),
    inputs: Annotated[str, typer.Option(help="Of the result, as of `salus train`.")] = "perceived",
    kind: Annotated[
        str, typer.Option(help="Of the result: `network`, `trees`, or the `average` of both.")
    ] = "average",
    others: Annotated[
        str, typer.Option(help="Kind of all other models; `trees` are the cheapest.")
    ] = "trees",
    seeds: Annotated[
        str, typer.Option(help="Training seeds of the result, with commas.")
    ] = "0,1,2",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each network, at most.")] = 50,
    width: Annotated[int, typer.Option(min=1, help="Of each network's layers.")] = 64,
    only: Annotated[
        str,
        typer.Option(
            help="Sections, with commas: seeds, inputs, time, data, families, signals, baselines; "
            "empty for all."
        ),
    ] = "",
    far: Annotated[
        float,
        typer.Option(min=0.001, max=0.999, help="Share of successes that may see an alarm."),
    ] = 0.2,
    replicates: Annotated[
        int, typer.Option(min=20, help="Bootstrap replicates (episodes drawn again).")
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print study.json, no table.")] = False,
) -> None:
    """Train on some episodes in many ways and score every model on the same others.

    Seeds of the result; the input sets, with and without elapsed time; a quarter, half and all of
    the data; each family of disturbances left out of training; each group of signals left out;
    gradual and abrupt causes; the realised false-alarm rate; every baseline of `salus benchmark`.

    Exit status: 0 done, 1 a test episode has a seed of training, 2 wrong use, 130 interrupted: the
    same command goes on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from salus.commas import whole_numbers
    from salus_data.errors import FormatError
    from salus_predictor.evaluation.overlap import OverlapError
    from salus_predictor.evaluation.protocol import write_json
    from salus_predictor.studies.simulation.plan import SECTIONS, Plan
    from salus_predictor.studies.simulation.study import Study, run_study
    from salus_predictor.studies.simulation.tables import markdown
    from salus_predictor.studies.simulation.targets import targets
    from salus_predictor.training.options import TrainOptions

    drawn = tuple(dict.fromkeys(whole_numbers("--seeds", seeds, "0,1,2")))
    if missing := [str(path) for path in (*train, *test) if not path.exists()]:
        raise FormatError(f"no such store: {', '.join(missing)}")
    sections = tuple(name.strip() for name in only.split(",") if name.strip()) or SECTIONS
    main = TrainOptions(epochs=epochs, inputs=inputs, kind=kind, width=width)
    TrainOptions(kind=others)
    study = Study(train, test, Plan(drawn, main, others, sections), far, replicates)
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("reading", total=None)

            def start(name: str) -> None:
                bar.update(task, description=name)
                if not console.is_terminal:
                    console.print(name, highlight=False)

            document: dict[str, Any] = run_study(
                study,
                out,
                on_plan=lambda total: bar.update(task, total=total),
                on_start=start,
                on_done=lambda _: bar.advance(task),
            )
    except OverlapError as error:
        typer.echo(f"salus: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("salus: interrupted; the same command goes on", err=True)
        raise typer.Exit(130) from None
    document["protocol"]["command"] = shlex.join(["salus", *sys.argv[1:]])
    document["targets"] = targets(document)
    path = write_json(out / "study.json", document)
    page = out / "study.md"
    text = markdown(document)
    page.write_text(f"    {document['protocol']['command']}\n\n{text}", encoding="utf-8")
    typer.echo(json.dumps(document) if as_json else text)
    console.print(f"{path.resolve()}\n{page.resolve()}", highlight=False, soft_wrap=True)
