"""`salus summary`: a collection on one page."""

from pathlib import Path
from typing import Annotated

import typer


def summary(
    stores: Annotated[list[Path], typer.Argument(help="Stores, or folders of stores.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("out/summary.html"),
    title: Annotated[str, typer.Option(help="Its title.")] = "A collection of episodes",
) -> None:
    """Write a self-contained page: outcomes, labels, a filmstrip of each outcome, timelines.

    Exit status: 0 written, 2 wrong use or stores that cannot be read.
    """
    from rich.console import Console

    from salus_data.summary import write_summary

    with Console(stderr=True).status("drawing"):
        write_summary(stores, out, title=title)
    typer.echo(f"{out.resolve()}")
