"""Whole collections: two workers against one, what the recorder loses, the pace of 500 episodes."""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from salus.bench.harness import Benchmark, Row
from salus.collecting.parent import CollectionRun
from salus.collecting.settings import CollectSettings, shared_file
from salus_data.errors import SalusError
from salus_data.schema import IMAGE_PREFIX
from salus_data.store import Store
from salus_ros.domain import claimed_domain

WORKERS_TARGET = 1.8
SIZE_TARGET = 1 / 12
COLLECT_MINUTES = 10.0
COLLECT_EPISODES = 500
STEP_PERIOD = 1 / 30  # [s]


@dataclass(frozen=True)
class Collected:
    """One collection: wall time from its first observation on [s], and what is in the store."""

    seconds: float
    episodes: int
    rows: int
    discarded: int


def collect(
    out: Path,
    episodes: int,
    workers: int,
    *,
    realtime: bool = False,
    image_size: int = 256,
    policy: str = "expert",
    localiser: str = "",
    model: str = "",
    supervise: str = "shadow",
    bag: bool = False,
    config: Path | None = None,
) -> Collected:
    """Collect mixed episodes below `out`, on ROS domains that nobody else uses.

    With a model, predictor and supervisor watch. `config` replaces config/collect.yaml.

    Raises:
        SalusError: the collection did not end.
    """
    settings = CollectSettings(
        episodes=episodes,
        out=out,
        policy=policy,
        localiser=localiser,
        seed=0,
        workers=workers,
        disturbances=str(shared_file("config", "disturbances.yaml")),
        realtime=realtime,
        image_size=image_size,
        config=config or shared_file("config", "collect.yaml"),
        model=model,
        supervise=supervise,
        bag=bag,
    )
    settings.check()
    before = os.environ.get("ROS_DOMAIN_ID")
    with claimed_domain() as domain:
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        try:
            run = CollectionRun(settings, Console(quiet=True))
            status = run.run()
        finally:
            os.environ.pop("ROS_DOMAIN_ID")
            if before is not None:
                os.environ["ROS_DOMAIN_ID"] = before
    total = run.total()
    if status == 130:
        raise KeyboardInterrupt
    if run.first_step is None:
        raise SalusError(f"{out}: no worker of the collection took a step; status {status}")
    return Collected(
        time.monotonic() - run.first_step,
        total.committed,
        total.steps_recorded,
        len(total.discarded),
    )


def measure_workers(episodes: int, image_size: int) -> Benchmark:
    """The same episodes by one worker and by two."""
    with tempfile.TemporaryDirectory() as folder:
        one = collect(Path(folder) / "one", episodes, 1, image_size=image_size)
        two = collect(Path(folder) / "two", episodes, 2, image_size=image_size)
    return Benchmark(
        "workers",
        (
            Row(
                "2 workers",
                two.rows / two.seconds,
                "steps/s",
                "1 worker",
                one.rows / one.seconds,
                at_least=WORKERS_TARGET,
            ),
            Row("episodes missing of 2 workers", episodes - two.episodes, "", at_most=0),
        ),
        {"episodes": episodes, "rows": one.rows, "image_size_px": image_size},
    )


def measure_record(episodes: int, image_size: int) -> Benchmark:
    """What the recorder loses in lockstep and in realtime, and how small the images get."""
    with tempfile.TemporaryDirectory() as folder:
        fast = collect(Path(folder) / "lockstep", episodes, 1, image_size=image_size)
        live = collect(
            Path(folder) / "realtime",
            max(1, episodes // 4),
            1,
            realtime=True,
            image_size=image_size,
        )
        packed, raw = image_bytes(Path(folder) / "lockstep" / "w0.zarr")
    return Benchmark(
        "record",
        (
            Row("episodes lost, lockstep", fast.discarded, "", at_most=0),
            Row("episodes lost, realtime", live.discarded, "", at_most=0),
            Row("lockstep", fast.rows / fast.seconds, "steps/s", "realtime", 1 / STEP_PERIOD),
            Row("images, lossless", packed / 1e6, "MB", "raw", raw / 1e6, at_most=SIZE_TARGET),
        ),
        {"episodes": fast.episodes, "rows": fast.rows, "image_size_px": image_size},
    )


def image_bytes(path: Path) -> tuple[int, int]:
    """Bytes of a store's images on the disk, and in memory."""
    store = Store.open(path)
    packed = raw = 0
    for name in store.names:
        if name.startswith(IMAGE_PREFIX):
            array = store.array(name)
            raw += store.n_rows * array.nbytes // max(1, array.shape[0])
            files = (path / "data" / name).rglob("*")
            packed += sum(file.stat().st_size for file in files if file.is_file())
    return packed, raw


def measure_collect(episodes: int, workers: int) -> Benchmark:
    """Mixed expert episodes; fewer than 500 are scaled up."""
    with tempfile.TemporaryDirectory() as folder:
        done = collect(Path(folder), episodes, workers)
    minutes = done.seconds / 60 * COLLECT_EPISODES / max(1, done.episodes)
    what = f"{COLLECT_EPISODES} episodes" + ("" if episodes == COLLECT_EPISODES else ", scaled")
    played = done.rows * STEP_PERIOD / 60 * COLLECT_EPISODES / max(1, done.episodes)
    return Benchmark(
        "collect",
        (
            Row(what, minutes, "min", at_most=COLLECT_MINUTES),
            Row(what, minutes, "min", "30 Hz realtime", played),
            Row("episodes lost", done.discarded, "", at_most=0),
        ),
        {"episodes": done.episodes, "rows": done.rows, "workers": workers},
    )
