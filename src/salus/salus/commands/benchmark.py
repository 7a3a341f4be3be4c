"""`salus benchmark`: every baseline on the same splits, in one table."""

import json
from pathlib import Path
from typing import Annotated

import typer


def benchmark(
    stores: Annotated[
        list[Path], typer.Argument(help="Stores, or folders of stores, that are read together.")
    ],
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Stores to score on; without them a fifth of the episodes is kept."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for benchmark.json.")] = Path("out/benchmark"),
    only: Annotated[
        str, typer.Option(help="Names of baselines, separated by commas; empty for all.")
    ] = "",
    false_alarms: Annotated[
        float,
        typer.Option(min=0.001, max=0.999, help="Share of successes that may see an alarm."),
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the split and of training.")] = 0,
    replicates: Annotated[
        int, typer.Option(min=20, help="Bootstrap replicates (episodes drawn again).")
    ] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON, no table.")] = False,
) -> None:
    """Train every baseline on the same episodes, score it on the same others, print one table.

    Splits are by episode; thresholds come from validation episodes. A baseline whose input the
    stores lack is listed as not run.

    Exit status: 0 done, 2 wrong use or stores that cannot be read.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from salus.commands.benchmark_text import print_benchmark
    from salus_predictor.baselines.registry import baselines, chosen
    from salus_predictor.evaluation.benchmark import run_benchmark
    from salus_predictor.evaluation.evaluate import Settings
    from salus_predictor.evaluation.overlap import require_new_episodes
    from salus_predictor.evaluation.protocol import benchmark_json, split_of, write_json
    from salus_predictor.steps import StepData

    console = Console(stderr=True)
    with console.status("reading"):
        data = StepData.read(stores, embedding=True)
        other = StepData.read(test, embedding=True) if test else None
    if other is not None:
        require_new_episodes(other, data, "the test stores", "the training stores")
    split = split_of(data, other, seed)
    recipes = chosen(baselines(data.signal_names), only)
    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        MofNCompleteColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(recipes))

        def start(name: str) -> None:
            progress.update(bar, description=name)

        def done(name: str) -> None:
            del name
            progress.advance(bar)

        result = run_benchmark(
            recipes,
            split,
            far=false_alarms,
            seed=seed,
            settings=Settings(replicates=replicates, causes=False),
            on_start=start,
            on_done=done,
        )
    document = benchmark_json(result, split, seed=seed, replicates=replicates)
    path = out / "benchmark.json"
    write_json(path, document)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        print_benchmark(result, split, Console())
    console.print(f"written: {path.resolve()}", highlight=False, soft_wrap=True)
