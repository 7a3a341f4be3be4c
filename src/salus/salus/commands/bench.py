"""`salus bench`: how fast, how small and how safe, each against a named alternative."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from salus.bench import harness

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, nothing else.")]
ImageSize = Annotated[int, typer.Option(min=16, max=2048, help="Side of the images [px].")]


Rounds = Annotated[
    int, typer.Option(min=1, help="Times that each alternative runs; the fastest counts.")
]


@app.callback()
def bench() -> None:
    """Measure SALUS against a named alternative in the same run.

    Exit status of every benchmark: 0 targets met, 1 one was missed, 2 wrong use.
    """


@app.command("sim")
def sim(rounds: Rounds = 5, image_size: ImageSize = 256, as_json: AsJson = False) -> None:
    """The loop of sim_node over ROS against bare MuJoCo with the same frames (half a minute)."""
    from salus.bench.sim import measure

    harness.run("sim", lambda: measure(rounds, image_size), as_json=as_json)


@app.command("labels")
def labels(rounds: Rounds = 5, as_json: AsJson = False) -> None:
    """Labelling 500 episodes of 200 steps against a plain loop (seconds)."""
    from salus.bench.labels import measure

    harness.run("labels", lambda: measure(rounds), as_json=as_json)


Episodes = Annotated[int, typer.Option(min=1, help="Episodes of each collection.")]


@app.command("workers")
def workers(episodes: Episodes = 40, image_size: ImageSize = 256, as_json: AsJson = False) -> None:
    """Two workers against one, the same episodes (a minute)."""
    from salus.bench.collecting import measure_workers

    harness.run("workers", lambda: measure_workers(episodes, image_size), as_json=as_json)


@app.command("record")
def record(episodes: Episodes = 12, image_size: ImageSize = 256, as_json: AsJson = False) -> None:
    """What the recorder loses in lockstep and at 30 Hz; images against raw size (a minute)."""
    from salus.bench.collecting import measure_record

    harness.run("record", lambda: measure_record(episodes, image_size), as_json=as_json)


@app.command("collect")
def collect(
    episodes: Episodes = 500,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Mixed expert episodes against the 10 minutes that 500 may take (minutes)."""
    from salus.bench.collecting import measure_collect

    harness.run("collect", lambda: measure_collect(episodes, workers), as_json=as_json)


@app.command("faults")
def faults(
    kills: Annotated[int, typer.Option(min=1, help="How often the writer is killed.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Kill a writer at random moments, fill the disk, read while it writes (a minute)."""
    from salus.bench.faults import measure

    harness.run("faults", lambda: measure(kills), as_json=as_json)


@app.command("policy")
def policy(
    configuration: Annotated[
        str, typer.Option(help="`small`, as it ships, or `450m`, as LeRobot publishes (6 GB).")
    ] = "small",
    members: Annotated[int, typer.Option(min=2, help="Of the ensemble.")] = 5,
    noises: Annotated[int, typer.Option(min=1, help="Samples of each member.")] = 4,
    rounds: Annotated[
        int, typer.Option(min=1, help="Times that each alternative runs; the median counts.")
    ] = 15,
    device: Annotated[str, typer.Option(help="Of torch: `cpu`, `cuda`.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="Large layers: `float32`, `bfloat16`.")] = "float32",
    as_json: AsJson = False,
) -> None:
    """A SmolVLA ensemble, random weights, against one member and whole policies (half a minute)."""
    from salus.bench.policy import measure

    harness.run(
        "policy",
        lambda: measure(configuration, members, noises, rounds, device, dtype),
        as_json=as_json,
    )


Model = Annotated[str, typer.Option(help="Folder of the predictor, or `shipped`.")]
Watching = Annotated[
    str, typer.Option(help="Policy that the model watches: `expert`, `smolvla`, checkpoints.")
]
Localiser = Annotated[
    str, typer.Option(help="Adds signals of what the cameras show: `shipped`, or a file of weights")
]
Shown = Annotated[
    int, typer.Option(min=16, max=2048, help="Side of the images, where any are read [px].")
]


@app.command("online")
def online(
    model: Model = "shipped",
    policy: Watching = "expert",
    localiser: Localiser = "",
    image_size: Shown = 128,
    episodes: Annotated[int, typer.Option(min=1, help="Times the episode is played.")] = 4,
    collected: Annotated[
        int, typer.Option(min=0, help="Episodes of the watched and unwatched collection; 0: none.")
    ] = 8,
    as_json: AsJson = False,
) -> None:
    """Proposal to gated action and signals to forecast across processes, against a relay (minutes).

    Also what the supervisor adds, and a watched collection against an unwatched one.
    """
    from salus.bench.online import measure
    from salus.bench.watched import Watched

    watched = Watched(model, policy, localiser, image_size)
    harness.run("online", lambda: measure(watched, episodes, collected), as_json=as_json)


@app.command("faults-online")
def faults_online(
    model: Model = "shipped",
    policy: Watching = "expert",
    localiser: Localiser = "",
    image_size: Shown = 128,
    faults: Annotated[int, typer.Option(min=1, help="How many faults strike.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Decides at which steps they strike.")] = 11,
    as_json: AsJson = False,
) -> None:
    """Kill, freeze, flood, disorder, NaN, clock jumps on a running graph (six a minute).

    Every command is judged from outside; an unsafe one, a late hold, a wrong reason or a graph that
    does not recover is a finding.
    """
    from salus.bench.faults_online import measure
    from salus.bench.watched import Watched

    watched = Watched(model, policy, localiser, image_size)
    harness.run("faults-online", lambda: measure(watched, faults, seed), as_json=as_json)


@app.command("bag")
def bag(
    bags: Annotated[
        list[Path] | None,
        typer.Argument(help="Bags such as out/run1/bags/w0_0; without one, some are collected."),
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes that are collected.")] = 12,
    rounds: Annotated[
        int, typer.Option(min=1, help="Times that import and bare read take turns; medians count.")
    ] = 5,
    lerobot_episodes: Annotated[
        int, typer.Option(min=0, help="Exported and read beside LeRobot (ten frames/s); 0: none.")
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Import against a bare read, storage, reads against LeRobotDataset (some minutes)."""
    from salus.bench.bags import measure
    from salus.bench.collecting import collect

    with tempfile.TemporaryDirectory(prefix="salus-bench-") as scratch:

        def run() -> harness.Benchmark:
            if bags:
                return measure(bags, rounds, lerobot_episodes)
            collect(Path(scratch), episodes, 1, bag=True)
            return measure([Path(scratch, "bags", "w0_0")], rounds, lerobot_episodes)

        harness.run("bag", run, as_json=as_json)


@app.command("round-trip")
def round_trip(
    episodes: Annotated[int, typer.Option(min=1, help="Episodes that are collected.")] = 50,
    policy: Watching = "smolvla",
    localiser: Localiser = "",
    image_size: Shown = 128,
    lerobot_episodes: Annotated[
        int, typer.Option(min=1, help="Of those, how many go through LeRobot, twice.")
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Collect into a store and a bag, import the bag, export to LeRobot: equal, bit for bit?

    SmolVLA with the shipped predictor, whose supervisor may act (ten minutes for 50 episodes).
    """
    from salus.bench.round_trip import measure

    harness.run(
        "round-trip",
        lambda: measure(episodes, policy, localiser, image_size, lerobot_episodes),
        as_json=as_json,
    )


@app.command("train")
def train(
    stores: Annotated[
        list[Path] | None,
        typer.Argument(help="Stores to train on; without any, episodes are made up."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of the network, none left out.")] = 50,
    steps: Annotated[
        int, typer.Option(min=2000, help="Training steps of the made-up episodes.")
    ] = 100_000,
    signals: Annotated[
        int, typer.Option(min=4, help="Of the made-up episodes; SmolVLA's portable set has 25.")
    ] = 25,
    inputs: Annotated[
        str, typer.Option(help="Of the stores: `core`, `portable`, `perceived`, or signals.")
    ] = "portable",
    as_json: AsJson = False,
) -> None:
    """Training for 50 epochs, a step of the trained predictor, its folder (minutes).

    Times of training are per 100,000 steps. A step is measured without the robot: signals in,
    forecast out.
    """
    from salus.bench.train import measure

    harness.run(
        "train", lambda: measure(stores or (), epochs, steps, signals, inputs), as_json=as_json
    )
