"""`salus study`: experiments that take a while, with a page at the end."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def study() -> None:
    """Run an experiment; one that was interrupted goes on with the same command."""


@app.command("closed-loop")
def closed_loop(
    model: Annotated[
        str, typer.Option(help="Folder of the predictor, or `shipped`, the one in the package.")
    ] = "shipped",
    policy: Annotated[
        str, typer.Option(help="`expert`, `smolvla`, or checkpoint or ensemble folders.")
    ] = "expert",
    episodes: Annotated[int, typer.Option(min=2, help="Paired seeds.")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Root seed; the model must not have seen its episodes.")
    ] = 9_000_000,
    disturbances: Annotated[
        str, typer.Option(help="`default`, `none`, one family, or a YAML file.")
    ] = "default",
    rules: Annotated[str, typer.Option(help="Rules; empty: config/supervisor.yaml.")] = "",
    localiser: Annotated[
        str,
        typer.Option(help="Adds signals of what the cameras show: `shipped`, or a file of weights"),
    ] = "",
    second_look: Annotated[
        str,
        typer.Option(
            help="Localiser by which the policy acts once it was interfered with: `shipped`, a "
            "file; empty: it goes on acting on what it is told."
        ),
    ] = "",
    image_size: Annotated[
        int, typer.Option(min=16, max=2048, help="Side of the images, where any are read [px].")
    ] = 256,
    noises: Annotated[int, typer.Option(min=1, help="Samples of each member of the policy.")] = 4,
    signals_every: Annotated[
        int, typer.Option(min=1, help="Steps between two samplings for the policy's signals.")
    ] = 4,
    aftermath: Annotated[
        float, typer.Option(min=0.0, max=10.0, help="How long a collision is followed [s].")
    ] = 0.5,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    replicates: Annotated[int, typer.Option(min=20, help="Bootstrap replicates.")] = 2000,
    out: Annotated[
        Path, typer.Option(help="Folder of episodes.jsonl, metrics.json and report.html.")
    ] = Path("out/closed-loop"),
    title: Annotated[str, typer.Option(help="Title of the page.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print metrics.json, nothing else.")
    ] = False,
) -> None:
    """Run the same seeds without a supervisor, with it, and with stops at random times.

    The supervisor is active, whatever the model was calibrated on. An episode in which nobody
    intervenes is the same in every arm and is run once, but for every eighth seed.

    Exit status: 0 every aim met, 1 one was missed, 2 wrong use, 130 interrupted: the same command
    goes on.
    """
    from rich.console import Console

    from salus.closed_loop.figures import Pairs, figures, verdicts
    from salus.closed_loop.page import write_page
    from salus.closed_loop.settings import StudySettings
    from salus.closed_loop.study import warnings_of
    from salus.collecting.settings import shared_file
    from salus_collector.policy.registry import absolute_policy, check_policy
    from salus_predictor.evaluation.protocol import write_json

    if disturbances == "default":
        disturbances = str(shared_file("config", "disturbances.yaml"))
    settings = StudySettings(
        policy=absolute_policy(policy),
        model=model if model == "shipped" else str(Path(model).resolve()),
        rules=rules or str(shared_file("config", "supervisor.yaml")),
        disturbances=disturbances,
        episodes=episodes,
        seed=seed,
        localiser=_whole(localiser),
        second_look=_whole(second_look),
        image_size=image_size,
        aftermath=aftermath,
        noises=noises,
        signals_every=signals_every,
    )
    check_policy(settings.policy)
    console = Console(stderr=True)
    try:
        rows = _run(settings, out / "episodes.jsonl", workers, console)
    except KeyboardInterrupt:
        typer.echo("salus: interrupted; the same command goes on", err=True)
        raise typer.Exit(130) from None
    pairs = Pairs(rows, replicates=replicates)
    if not len(pairs):
        typer.echo("salus: every seed had a discarded episode; nothing can be said", err=True)
        raise typer.Exit(1)
    document: dict[str, Any] = figures(pairs, 1 / 30)
    document["targets"] = verdicts(document)
    document["warnings"] = warnings_of(settings, document)
    document["protocol"] = {
        "command": shlex.join(["salus", *sys.argv[1:]]),
        **settings.identity(),
        "model": settings.model,
        "disturbances": Path(disturbances).name,
        "episodes": episodes,
        "bootstrap": f"{replicates} resamples of seeds, 95 % percentiles",
    }
    metrics = write_json(out / "metrics.json", document)
    name = title or f"Closed loop: {Path(settings.policy).name}"
    page = write_page(pairs, document, out / "report.html", name)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        _tell(document)
        typer.echo(f"{metrics.resolve()}\n{page.resolve()}")
    missed = any(row["met"] is False for row in document["targets"])
    raise typer.Exit(int(missed))


def _whole(localiser: str) -> str:
    """A localiser's name with its path absolute."""
    return localiser if localiser in ("", "shipped") else str(Path(localiser).resolve())


def _run(settings: Any, path: Path, workers: int, console: Any) -> list[Any]:
    """Run the study beside a progress bar."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from salus.closed_loop.study import run_study

    columns = (
        TextColumn("{task.fields[arm]:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=3 * settings.episodes, arm="")
        return run_study(
            settings,
            path,
            workers=workers,
            on_row=lambda row: bar.update(task, advance=1, arm=row.arm),
            on_plan=lambda already: bar.update(task, completed=already),
        )


def _tell(document: dict[str, Any]) -> None:
    """Print the ends of each arm and every aim."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    ends = document["arms"]["off"]["ends"]
    table = Table("arm", *ends, box=None, pad_edge=False)
    for arm, node in document["arms"].items():
        table.add_row(arm, *(str(node["ends"][end]) for end in ends))
    console.print(table)
    for row in document["targets"]:
        value = "not known" if row["value"] is None else f"{row['value']:.1%}"
        interval = "" if row["ci"] is None else f" ({row['ci'][0]:.1%} to {row['ci'][1]:.1%})"
        word = {True: "met", False: "missed", None: "not known"}[row["met"]]
        console.print(f"{row['what']}: {value}{interval}, {word}", highlight=False)
    for line in document["warnings"]:
        console.print(f"[bold yellow]warning[/] {line}", highlight=False)
