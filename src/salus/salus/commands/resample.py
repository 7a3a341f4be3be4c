"""`salus resample`: the policy's signals of recorded episodes, from fewer members."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def _sizes(text: str) -> tuple[int, ...]:
    from salus_data.errors import FormatError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise FormatError(
            f"--members is {text!r}; give numbers of members, such as 2,3,5"
        ) from None


def resample(
    stores: Annotated[list[Path], typer.Argument(help="Stores with images, or folders of stores.")],
    members: Annotated[
        str, typer.Option(help="How many of the ensemble's members, 2 or more, such as 2,3,5.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the new stores, N.zarr for N members; goes on there.")
    ],
    policy: Annotated[
        str | None,
        typer.Option(help="Who acted, as given to `salus collect` [default: what the store says]."),
    ] = None,
    noises: Annotated[int, typer.Option(min=1, help="Samples of a member, as recorded.")] = 4,
    signals_every: Annotated[
        int, typer.Option(min=1, help="Steps between two samplings, as recorded.")
    ] = 4,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many, by index [default: all].")
    ] = None,
) -> None:
    """Compute the policy's signals anew, as if its ensemble had only its first N members.

    The whole ensemble looks at the recorded observations again and must propose the recorded
    actions. Actions and everything else stay as recorded; images are left out. An interrupted run
    goes on with the same command.

    Exit status: 0 done, 2 wrong use, another policy or stores that cannot be read, 130 interrupted.
    """
    from salus.bars import counted
    from salus_collector.policy.registry import make_policy
    from salus_collector.policy.settings import PolicySettings
    from salus_collector.resampling import Resampler, check_store
    from salus_data.view import StoreView

    sizes, view = _sizes(members), StoreView(stores)
    acting = make_policy(
        view.contract.policy if policy is None else policy,
        PolicySettings(noises=noises, signals_every=signals_every),
    )
    resampler = Resampler(acting, sizes)
    for store in view.stores:
        check_store(acting, store)
    try:
        with counted("episodes") as progress:
            paths = {size: out / f"{size}.zarr" for size in sizes}
            count = _write(view, resampler, paths, episodes, progress)
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on", err=True)
        raise typer.Exit(130) from None
    for size in sizes:
        typer.echo(f"{out / f'{size}.zarr'}: {count} episodes, {size} members")
    typer.echo(
        f"signals of all {acting.ensemble_size} members against the recorded: largest difference "
        f"{resampler.difference:.1e}"
    )


def _write(
    view: Any, resampler: Any, paths: dict[int, Path], most: int | None, progress: Any
) -> int:
    """Every episode that one of the stores at `paths` lacks; how many were to be there."""
    from contextlib import ExitStack

    from salus_collector.resampling import resampled_contract
    from salus_data.schema import LABELS, VALID
    from salus_data.writer import StoreWriter

    images = {name for name in view.names if name.startswith("image_")}
    kept = [name for name in view.names if name not in images | {LABELS, VALID}]
    provenance = {
        "command": shlex.join(["salus", *sys.argv[1:]]),
        "resampled_from": [
            {"path": str(s.path), **{k: s.attributes.get(k) for k in ("provenance", "versions")}}
            for s in view.stores
        ],
    }
    widths = {
        f"{name}_size": view.stores[0].array(name).shape[1] if name in kept else 0
        for name in ("embedding", "sim_state")
    }
    with ExitStack() as stack:
        writers = {
            size: stack.enter_context(
                StoreWriter.open(
                    path,
                    resampled_contract(view.contract, size),
                    images=None,
                    provenance=provenance,
                    **widths,
                )
            )
            for size, path in paths.items()
        }
        records = view.records[:most]
        for number, record in enumerate(records):
            lacking = [s for s, writer in writers.items() if record.index not in writer.committed]
            if lacking:
                arrays = {name: view.read(name, number) for name in (*kept, *images)}
                found = resampler.episode(view.contract, record, arrays)
                rows = {name: arrays[name] for name in kept}
                for size in lacking:
                    values, validity = found[size]
                    writers[size].append(
                        record, rows | {"signals": values, "signal_validity": validity}
                    )
            progress(number + 1, len(records))
    return len(records)
