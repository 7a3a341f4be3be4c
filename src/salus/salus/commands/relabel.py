"""`salus relabel` and `salus migrate`: labels computed anew, old stores in the new layout."""

import json
from pathlib import Path
from typing import Annotated

import typer


def parse_horizons(text: str) -> tuple[int, ...]:
    """Horizons [steps] from `5,10,15,20`.

    Raises:
        FormatError: they are not strictly growing whole numbers from 1.
    """
    from salus.commas import whole_numbers
    from salus_data.contract import check_horizons

    horizons = whole_numbers("--horizons", text, "5,10,15,20")
    check_horizons(horizons)
    return horizons


def _last(event_step: str | None) -> bool:
    from salus_data.errors import UnknownNameError

    if event_step not in (None, "last"):
        raise UnknownNameError("--event-step", event_step, ("last",))
    return event_step == "last"


def relabel(
    stores: Annotated[
        list[Path],
        typer.Argument(help="Stores of this or the prototype's layout, or folders of stores."),
    ],
    horizons: Annotated[
        str | None, typer.Option(help="Steps, such as 5,10,15,20 [default: the store's own].")
    ] = None,
    event_step: Annotated[
        str | None,
        typer.Option(help="`last`: assume that failures happened at the last step (old stores)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reports as JSON.")] = False,
) -> None:
    """Compute the labels anew from the recorded events, in place; the old or the new, never a mix.

    Exit status: 0 done, 2 wrong use or a store that cannot be relabelled.
    """
    from salus_data.relabel import relabel_store
    from salus_data.view import store_paths

    steps = None if horizons is None else parse_horizons(horizons)
    last = _last(event_step)
    paths = [path for given in stores for path in store_paths(given)]
    reports = [relabel_store(path, steps, "last" if last else None) for path in paths]
    if as_json:
        typer.echo(json.dumps([report.to_json() for report in reports]))
        return
    for report in reports:
        by_horizon = ", ".join(f"{h}: {n:,}" for h, n in report.positive_by_horizon.items())
        by_type = ", ".join(f"{t} {n:,}" for t, n in report.positive_by_type.items())
        typer.echo(
            f"{report.path}: {report.positive_cells:,} positive cells of {report.valid_cells:,} "
            f"valid, {report.failures} of {report.episodes} episodes failed\n"
            f"  by horizon [steps]: {by_horizon}\n  by type: {by_type}"
        )


def migrate(
    store: Annotated[Path, typer.Argument(help="A store of the prototype.")],
    out: Annotated[Path, typer.Option(help="Where the new store goes; must not exist.")],
    rate: Annotated[
        float, typer.Option(min=0.1, help="Steps a second; the old store does not say [Hz].")
    ],
    event_step: Annotated[
        str | None,
        typer.Option(help="`last`: assume that failures happened at the last step."),
    ] = None,
) -> None:
    """Write a store of the prototype in the layout of docs/DATA_FORMAT.md.

    Exit status: 0 done, 2 wrong use or a store that cannot be read.
    """
    from salus.bars import counted
    from salus_data.migrate import migrate as migrate_store

    last = _last(event_step)
    with counted("episodes") as progress:
        migrate_store(
            store,
            out,
            step_period=1 / rate,
            event_step="last" if last else None,
            progress=progress,
        )
    typer.echo(f"{store} -> {out}")
