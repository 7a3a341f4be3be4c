"""`salus import-rollouts`: step logs of any policy become a store."""

import json
from pathlib import Path
from typing import Annotated

import typer


def read_units(path: Path) -> dict[str, str]:
    """Unit by signal from a YAML or JSON file.

    Raises:
        FormatError: the file is missing, cannot be parsed, or is no mapping of names to units.
    """
    import yaml

    from salus_data.errors import FormatError

    try:
        units = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FormatError(f"--units {path}: cannot be read: {error}".replace("\n", " ")) from error
    if not isinstance(units, dict):
        raise FormatError(f"--units {path}: it must map signals to units, such as eef_z: m")
    for name, unit in units.items():
        if not isinstance(name, str) or not isinstance(unit, str):
            raise FormatError(
                f"--units {path}: {name!r} has the unit {unit!r}; both must be text, such as "
                'eef_z: m, or "1" in quotes where there is no unit'
            )
    return units


def period(rate: float | None, step_period: float | None) -> float:
    """Seconds a step, from the one of the two options that is given.

    Raises:
        FormatError: none or both are given, or it is not a positive finite number.
    """
    from salus_data.errors import FormatError

    if (rate is None) == (step_period is None):
        raise FormatError(
            "give --rate [steps a second] or --step-period [s], and only one of them: the log does "
            "not say how long a step is"
        )
    value = rate if rate is not None else step_period
    assert value is not None
    name = "--rate" if rate is not None else "--step-period"
    if not 1e-6 <= value <= 1e6:
        raise FormatError(f"{name} is {value:g}; it must be between 1e-6 and 1e6")
    return 1 / value if rate is not None else value


def import_rollouts(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Step logs: JSON lines (*.jsonl, *.jsonl.gz), or one *.npz an episode."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the store goes; must not exist.")],
    rate: Annotated[float | None, typer.Option(help="Steps of the log a second [Hz].")] = None,
    step_period: Annotated[
        float | None,
        typer.Option(help="Time between two steps of the log [s], instead of --rate."),
    ] = None,
    units: Annotated[
        Path | None,
        typer.Option(help='YAML or JSON file, unit by signal [default: "1" for every signal].'),
    ] = None,
    policy: Annotated[str, typer.Option(help="Name of the policy that acted.")] = "unknown",
    horizons: Annotated[str, typer.Option(help="Of the labels [steps].")] = "5,10,15,20",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Write step logs of any policy as a store (docs/DATA_FORMAT.md, Imported rollouts).

    An episode needs steps of numbers and `success`; `failure_type` and `event_step` are optional,
    and what is not given stays unknown. One step of a log is whatever it logged once: where a
    policy is called every fifth control step of 20 Hz, the step period is 0.25 s.

    Exit status: 0 done, 2 wrong use or a file that is not sound (nothing is written then).
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from salus.commands.relabel import parse_horizons
    from salus_data.rollouts import import_rollouts as run

    seconds = period(rate, step_period)
    steps = parse_horizons(horizons)
    named = read_units(units) if units else None
    # Every file is read twice: first checked, then written.
    total = 2 * sum(path.stat().st_size for path in files if path.is_file())
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        report = run(
            files,
            out,
            step_period=seconds,
            units=named,
            policy=policy,
            horizons=steps,
            advance=lambda size: bar.advance(task, size),
        )
    if as_json:
        typer.echo(json.dumps(report.to_json()))
        return
    hidden = f", hidden states of {report.embedding_size}" if report.embedding_size else ""
    typer.echo(
        f"{report.episodes:,} episodes of {report.tasks} tasks, {report.rows:,} steps of "
        f"{seconds:g} s, {len(report.signals)} signals{hidden} -> {report.out}\n"
        f"  {report.successes:,} succeeded, {report.failures:,} failed "
        f"({report.dated:,} at a known step); types: {', '.join(report.failure_types)}"
    )
