"""`salus signals`: what each signal tells by itself, beside elapsed time and chunk phase."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from salus_predictor.evaluation.single import Cell

HEADING = (
    "AUROC of one signal at a time: as it is / in any shape (cross-fitted failure rates); "
    "0.5 is chance"
)


def signals(
    stores: Annotated[list[Path], typer.Argument(help="Stores, or folders of stores.")],
    horizon: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Steps, one of the stores' horizons, or several."),
    ] = None,
    replicates: Annotated[
        int, typer.Option(min=0, help="Of the episode bootstrap behind the intervals.")
    ] = 200,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables for a document.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every cell with its interval, nothing else.")
    ] = False,
) -> None:
    """Tell how well each recorded signal alone foretells each failure, beside clocks.

    Rows of the idle time, and rows whose truth is not known, do not count.

    Exit status: 0 told, 2 wrong use or stores that cannot be read.
    """
    from rich.console import Console
    from rich.progress import Progress

    from salus_data.errors import UnknownNameError
    from salus_predictor.evaluation.single import single_signals
    from salus_predictor.steps import StepData

    data = StepData.read(stores)
    known = data.contract.horizons
    for steps in horizon or ():
        if steps not in known:
            raise UnknownNameError("--horizon", str(steps), map(str, known))
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("signals", total=None)
        cells = single_signals(
            data,
            horizons=tuple(horizon or ()),
            replicates=replicates,
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    if as_json:
        document = {"episodes": len(data), "policy": data.contract.policy}
        typer.echo(json.dumps(document | {"cells": [cell.to_json() for cell in cells]}))
        return
    for steps in horizon or known:
        within = [cell for cell in cells if cell.horizon == steps]
        title = f"within {steps} steps ({steps * data.contract.step_period:.2f} s)"
        rows = _rows(within, data.contract.failure_types)
        if markdown:
            typer.echo(f"\nAUROC {title}, {len(data)} episodes:\n\n{_markdown(rows)}")
        else:
            _print(title, rows)
    if not markdown:
        typer.echo(HEADING)


def _rows(cells: "list[Cell]", types: tuple[str, ...]) -> list[list[str]]:
    """The table, its heading first."""
    by_signal: dict[str, dict[str, str]] = {}
    positives = dict.fromkeys(types, 0)
    for cell in cells:
        by_signal.setdefault(cell.signal, {})[cell.failure_type] = cell.text
        positives[cell.failure_type] = max(positives[cell.failure_type], cell.positives)
    return [
        ["signal", *types],
        ["(positive steps)", *map(str, positives.values())],
        *([name, *(texts[kind] for kind in types)] for name, texts in by_signal.items()),
    ]


def _markdown(rows: list[list[str]]) -> str:
    rule = ["---", *("---:" for _ in rows[0][1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))


def _print(title: str, rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], title=title, box=None, pad_edge=False)
    for number, column in enumerate(table.columns):
        column.justify = "right" if number else "left"
        column.no_wrap = True
    for row in rows[1:]:
        table.add_row(*row)
    Console().print(table)
