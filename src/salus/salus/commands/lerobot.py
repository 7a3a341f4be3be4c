"""`salus export-lerobot` and `salus import-lerobot`: stores to LeRobotDatasets and back."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


def export_lerobot(
    stores: Annotated[list[Path], typer.Argument(help="Stores, or folders of stores.")],
    out: Annotated[Path, typer.Option(help="Folder of the LeRobotDataset; must not exist.")],
    images: Annotated[
        str,
        typer.Option(help="`image` (PNG, without loss), `video` (smaller, lossy) or `none`."),
    ] = "image",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Write every episode as a LeRobotDataset (v3), with signals, labels and true stamps.

    `observation.state` and `action` are what LeRobot's policies read; every array of the store is
    beside them as `salus.NAME`, with its exact type. `salus export-demonstrations` writes the
    episodes that a policy is to imitate.

    Exit status: 0 written, 2 wrong use or stores that cannot be exported.
    """
    from salus.bars import counted
    from salus_data.lerobot_io.export import export_dataset
    from salus_data.view import StoreView

    with counted("exporting", quiet=as_json) as progress:
        frames = export_dataset(
            StoreView(stores),
            out,
            images=images,  # type: ignore[arg-type]  # checked by name
            on_progress=progress,
        )
    result = {"out": str(out.resolve()), "frames": frames}
    typer.echo(json.dumps(result) if as_json else f"{frames} frames: {result['out']}")


def import_lerobot(
    dataset: Annotated[Path, typer.Argument(help="A folder that `salus export-lerobot` wrote.")],
    out: Annotated[
        Path, typer.Option(help="The store; appended to where it exists with the same contract.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Make the store again that a LeRobotDataset was exported from.

    Equal bit for bit, but for frames that went through video. Labels must be those that follow
    from the records.

    Exit status: 0 written, 2 wrong use or a dataset that is not SALUS's.
    """
    from salus.bars import counted
    from salus_data.lerobot_io.importing import import_dataset

    with counted("importing", quiet=as_json) as progress:
        episodes = import_dataset(
            dataset,
            out,
            command=shlex.join(["salus", *sys.argv[1:]]),
            on_progress=progress,
        )
    result = {"out": str(out.resolve()), "episodes": episodes}
    typer.echo(json.dumps(result) if as_json else f"{episodes} episodes: {result['out']}")
