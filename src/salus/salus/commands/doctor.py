"""`salus doctor`: is this dataset sound, and could it fool a model?"""

import json
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    stores: Annotated[
        list[Path], typer.Argument(help="Stores, or folders of stores, that are read together.")
    ],
    min_positive_ratio: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Least share of valid steps with a positive label."),
    ] = 0.01,
    strict: Annotated[
        bool, typer.Option("--strict", help="Assumptions and leaks are findings too (exit 1).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Examine stores: broken data, labels that lie, clocks that give the label away.

    Exit status: 0 sound, 1 unsound with every finding named, 2 wrong use.
    """
    from rich.console import Console

    from salus.commands.doctor_text import print_report
    from salus_data.doctor import examine
    from salus_data.errors import FormatError

    missing = [str(path) for path in stores if not path.exists()]
    if missing:
        raise FormatError(f"no such store: {', '.join(missing)}")
    console = Console(stderr=as_json)
    with console.status("examining"):
        report = examine(stores, min_positive_ratio=min_positive_ratio, strict=strict)
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        print_report(report, console)
    raise typer.Exit(report.exit_status)
