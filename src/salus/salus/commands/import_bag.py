"""`salus import-bag`: rosbag2 bags to a labelled store."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def import_bag(
    bags: Annotated[
        list[Path], typer.Argument(help="Bags: folders, or files .mcap and .db3 (also .zstd).")
    ],
    out: Annotated[
        Path, typer.Option(help="The store; appended to where it exists with the same contract.")
    ],
    namespace: Annotated[
        str | None,
        typer.Option(help="Of the graph, such as /salus [default: the one that has a contract]."),
    ] = None,
    topics: Annotated[
        Path | None,
        typer.Option(help="A topic map (YAML) for recordings of other robots; see docs/BAGS.md."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Human labels (CSV) of a recording that is read with a topic map."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Import every episode that is whole, and name every other one with the reason.

    Exit status: 0 everything is in the store, 1 something is not, 2 wrong use.
    """
    from rich.console import Console

    from salus.bars import messages
    from salus_data.bags.foreign import import_foreign_bags
    from salus_data.bags.importing import import_bags
    from salus_data.errors import FormatError

    if labels is not None and topics is None:
        raise FormatError("--labels needs --topics: SALUS's own recordings hold their events")
    command = shlex.join(["salus", *sys.argv[1:]])
    with messages("", Console(stderr=True)) as progress:
        if topics is None:
            report = import_bags(
                bags,
                out,
                namespace=namespace,
                command=command,
                progress=progress,
            )
        else:
            report = import_foreign_bags(
                bags,
                out,
                topics,
                labels=labels,
                command=command,
                progress=progress,
            )
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(report.outcomes.items()))
        typer.echo(
            f"{out}: {len(report.imported)} episodes ({outcomes}), {report.rows:,} rows from "
            f"{report.messages:,} messages, {report.duplicated} duplicates ignored"
        )
        for loss in report.lost:
            typer.echo(f"not imported: {loss.bag}: episode {loss.episode}: {loss.reason}")
        for bag, problem in report.problems:
            typer.echo(f"damaged: {bag}: {problem}")
    raise typer.Exit(0 if report.complete else 1)
