"""`salus collect`: episodes over real ROS topics, into a dataset."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer


def collect(
    episodes: Annotated[int, typer.Option(min=1, help="Episodes the collection is to have.")] = 5,
    out: Annotated[
        Path, typer.Option(help="Folder of the collection; one that is begun goes on.")
    ] = Path("out/episodes"),
    policy: Annotated[
        str,
        typer.Option(
            help="`expert`, `smolvla` (the ensemble in the package, on what it sees), "
            "`smolvla-pose` (on what it is told), a checkpoint or ensemble folder, several "
            "checkpoints with commas between, or a hub id."
        ),
    ] = "expert",
    seed: Annotated[
        int, typer.Option(min=0, help="Root seed; with the index it decides every episode.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes; each has a ROS domain and a store of its own.")
    ] = 1,
    disturbances: Annotated[
        str,
        typer.Option(help="`default`, `none`, one family, or a YAML file (docs/DISTURBANCES.md)."),
    ] = "default",
    realtime: Annotated[
        bool, typer.Option("--realtime", help="30 Hz of wall time instead of lockstep.")
    ] = False,
    image_size: Annotated[
        int, typer.Option(min=0, max=2048, help="Side of the images [px]; 0: none.")
    ] = 256,
    config: Annotated[
        Path | None, typer.Option(help="Parameters of the nodes [default: config/collect.yaml].")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Folder of a predictor that watches, or `shipped`; empty: none.")
    ] = "",
    supervise: Annotated[
        str,
        typer.Option(
            help="With --model: `shadow` only tells what it would do, `active`, or `auto`: active "
            "where the model was calibrated on this policy, else shadow."
        ),
    ] = "auto",
    rules: Annotated[
        str, typer.Option(help="With --model: rules; empty: config/supervisor.yaml.")
    ] = "",
    localiser: Annotated[
        str,
        typer.Option(
            help="Of a policy that is told poses: adds signals of what the cameras show: "
            "`shipped`, or a file of weights; empty: none."
        ),
    ] = "",
    bag: Annotated[
        bool,
        typer.Option("--bag", help="Also record a rosbag2 bag (MCAP, zstd) a worker: OUT/bags."),
    ] = False,
    direct: Annotated[
        bool,
        typer.Option("--direct", help="Without ROS: the same episodes, faster, nothing to watch."),
    ] = False,
    drop_images: Annotated[
        bool,
        typer.Option(
            "--drop-images",
            help="With --direct: images for policy and localiser, but none in the store.",
        ),
    ] = False,
    embedding: Annotated[
        bool,
        typer.Option(
            "--embedding",
            help="Record the policy's hidden state, for `salus train --inputs portable,embedding`.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON, nothing else.")
    ] = False,
) -> None:
    """Collect episodes: simulation, policy, supervisor and recorder in one process a worker.

    Exit status: 0 all episodes are in the store, 1 some are not, 2 wrong use, 130 interrupted.
    """
    from rich.console import Console

    from salus.collecting.parent import CollectionRun
    from salus.collecting.settings import CollectSettings, shared_file
    from salus_collector.policy.registry import absolute_policy

    if disturbances == "default":
        disturbances = str(shared_file("config", "disturbances.yaml"))
    settings = CollectSettings(
        episodes=episodes,
        out=out.resolve(),
        policy=absolute_policy(policy),
        seed=seed,
        workers=workers,
        disturbances=disturbances,
        realtime=realtime,
        image_size=image_size,
        config=config or shared_file("config", "collect.yaml"),
        model=model if model in ("", "shipped") else str(Path(model).resolve()),
        supervise=supervise,
        rules=rules,
        bag=bag,
        localiser=localiser if localiser in ("", "shipped") else str(Path(localiser).resolve()),
        direct=direct,
        keep_images=not drop_images,
        embedding=embedding,
    )
    settings.check()
    settings.check_out()
    console = Console(stderr=as_json)
    run = CollectionRun(settings, console)
    started = time.monotonic()
    status = run.run()
    total, elapsed = run.total(), time.monotonic() - started
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "out": str(settings.out),
                    "episodes": total.already + total.committed,
                    "outcomes": dict(total.outcomes),
                    "discarded": total.discarded,
                    "rows": total.steps_recorded,
                    "seconds": round(elapsed, 1),
                }
            )
        )
    else:
        line = f"{total.line()} in {elapsed:.0f} s: {settings.out}"
        console.print(line, highlight=False, markup=False)
        for index, reason in total.discarded:
            console.print(f"episode {index} discarded: {reason}", markup=False)
    raise typer.Exit(status)
