"""`salus resample`: the policy's signals of recorded episodes, from fewer members."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer


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
    from salus.commas import whole_numbers
    from salus_collector.policy.registry import make_policy
    from salus_collector.policy.settings import PolicySettings
    from salus_collector.resampled_stores import check_store, write_resampled
    from salus_collector.resampling import Resampler
    from salus_data.view import StoreView

    sizes, view = whole_numbers("--members", members, "2,3,5"), StoreView(stores)
    acting = make_policy(
        view.contract.policy if policy is None else policy,
        PolicySettings(noises=noises, signals_every=signals_every),
    )
    resampler = Resampler(acting, sizes)
    for store in view.stores:
        check_store(acting, store)
    paths = {size: out / f"{size}.zarr" for size in sizes}
    try:
        with counted("episodes") as progress:
            count = write_resampled(
                view,
                resampler,
                paths,
                command=shlex.join(["salus", *sys.argv[1:]]),
                episodes=episodes,
                progress=progress,
            )
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on", err=True)
        raise typer.Exit(130) from None
    for size, path in paths.items():
        typer.echo(f"{path}: {count} episodes, {size} members")
    if resampler.episodes:
        typer.echo(
            f"computed now: {resampler.episodes}; signals of all {acting.ensemble_size} members "
            f"against the recorded: largest difference {resampler.difference:.1e}"
        )
