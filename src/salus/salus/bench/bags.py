"""Bags: import against a bare read, storage, and random reads against LeRobot on the same episodes.

MB are 10^6 bytes. Reads are windows of successive steps, both cameras, as a training loop asks for
them; LeRobot gives float32 images and the store uint8, so the store is timed with the conversion,
too. Import and bare read take turns, and the medians of all rounds are compared.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from salus.bench.harness import Benchmark, Row, Spent, alternate, spent, timed
from salus_data.bags.importing import import_bags
from salus_data.bags.report import ImportReport
from salus_data.errors import FormatError
from salus_data.info import folder_bytes
from salus_data.schema import IMAGE_PREFIX, LABELS, VALID
from salus_data.store import Store
from salus_data.writer import StoreWriter

IMPORT_TARGET = 2.0
READ_TARGET = 5.0
WINDOW = 10
"""Steps that are read at a time."""
READS = 100
"""Windows of one measurement; a tenth of them where each takes ten times as long."""


def measure(bags: Sequence[Path], rounds: int, lerobot_episodes: int) -> Benchmark:
    """Everything of `salus bench bag`.

    Args:
        bags: sound ones of SALUS.
        rounds: times that import and bare read take turns.
        lerobot_episodes: that are exported, and read in windows beside LeRobot; 0 for neither.

    Raises:
        FormatError: a path is no bag, or not a sound one.
    """
    for path in bags:
        if not path.exists():
            raise FormatError(f"{path}: no such bag")
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        scratch = Path(folder)
        store = scratch / "store.zarr"
        found = alternate(
            {
                "bare": lambda: spent(lambda: _bare_read(bags)),
                "import": lambda: _import(bags, store),
            },
            rounds,
        )
        opened = Store.open(store)
        size = sum(folder_bytes(p) if p.is_dir() else p.stat().st_size for p in bags) / 1e6
        bare, imported = (
            Spent(median(one.wall for one in times), median(one.cpu for one in times))
            for times in (found["bare"], found["import"])
        )
        stored = folder_bytes(store) / 1e6
        rows = [
            Row("import", imported.wall, "s", "bare read", bare.wall, at_most=IMPORT_TARGET),
            Row("import, processor time", imported.cpu, "s", "bare read", bare.cpu),
            Row("import", size / imported.wall, "MB/s", "bare read", size / bare.wall),
            Row("store", stored, "MB", "bag (MCAP, zstd)", size),
        ]
        if lerobot_episodes:
            few = first_episodes(opened, scratch / "few.zarr", lerobot_episodes)
            rate = _store_rate(few)
            rows.append(Row("windows of the store", rate, "1/s", "bag", _bag_rate(few, bags[0])))
            rows += _lerobot_rows(few, scratch)
    facts = {"rounds": rounds, "episodes": len(opened), "rows": opened.n_rows, "window": WINDOW}
    return Benchmark("bag", tuple(rows), facts | {"lerobot_episodes": lerobot_episodes})


def _bare_read(bags: Sequence[Path]) -> None:
    """Read and deserialise every message with the library."""
    for path in bags:
        with AnyReader([path]) as reader:
            for connection, _, data in reader.messages():
                reader.deserialize(data, connection.msgtype)


def _import(bags: Sequence[Path], store: Path) -> Spent:
    shutil.rmtree(store, ignore_errors=True)
    reports: list[ImportReport] = []
    took = spent(lambda: reports.append(import_bags(bags, store)))
    if not (report := reports[0]).complete:
        raise FormatError(f"not a sound bag: {(report.lost or report.problems)[0]}")
    return took


def first_episodes(store: Store, path: Path, count: int) -> Store:
    """A store of the first episodes."""
    images = {
        name.removeprefix(IMAGE_PREFIX): (store.array(name).shape[1], store.array(name).shape[2])
        for name in store.names
        if name.startswith(IMAGE_PREFIX)
    }
    names = [name for name in store.names if name not in (LABELS, VALID)]
    embedding = store.array("embedding").shape[1] if "embedding" in names else 0
    with StoreWriter.open(
        path, store.contract, images=images or None, provenance={}, embedding_size=embedding
    ) as writer:
        for episode, record in enumerate(store.records[:count]):
            writer.hold(record, {name: store.read(name, episode) for name in names})
        writer.commit()
    return Store.open(path)


def _starts(rows: int, count: int) -> list[int]:
    starts: list[int] = np.random.default_rng(0).integers(rows - WINDOW, size=count).tolist()
    return starts


def _rate(read: Callable[[int], object], starts: Sequence[int]) -> float:
    """Windows a second; the first one, which opens files, is not counted."""
    read(starts[0])
    return len(starts) / timed(lambda: [read(start) for start in starts])


def _store_rate(store: Store, *, as_float: bool = False) -> float:
    """Through the dataset that SALUS gives to torch."""
    import torch

    from salus_data.torch_view import WindowDataset
    from salus_data.view import StoreView

    images = [name for name in store.names if name.startswith(IMAGE_PREFIX)]
    data = WindowDataset(StoreView([store.path]), ["state", *images], WINDOW, only_valid=False)

    def read(start: int) -> None:
        item = data[start + WINDOW - 1]
        if as_float:
            for name in images:
                item[name] = item[name].permute(0, 3, 1, 2).to(torch.float32) / 255

    return _rate(read, _starts(store.n_rows, READS))


def _bag_rate(store: Store, bag: Path) -> float:
    """The same windows of the first episode, through the library's index."""
    stamps = store.read("stamp", 0)
    with AnyReader([bag]) as reader:
        wanted = [c for c in reader.connections if c.topic.endswith(("image_raw", "joint_states"))]

        def read(start: int) -> None:
            first, last = int(stamps[start]), int(stamps[start + WINDOW - 1])
            for connection, _, data in reader.messages(wanted, start=first, stop=last + 1):
                reader.deserialize(data, connection.msgtype)

        return _rate(read, _starts(len(stamps), READS // 10))


def _lerobot_rows(store: Store, scratch: Path) -> list[Row]:
    from salus_data.lerobot_io.export import export_dataset
    from salus_data.view import StoreView

    view = StoreView([store.path])
    folders = {"video": scratch / "video", "image": scratch / "image"}
    video = timed(lambda: export_dataset(view, folders["video"], images="video"))
    image = timed(lambda: export_dataset(view, folders["image"], images="image"))
    plain = timed(lambda: _plain_export(store, scratch / "plain"))
    rate, as_floats = _store_rate(store), _store_rate(store, as_float=True)
    rows = [
        Row("export as images", image, "s", "LeRobot's loop", plain),
        Row("export as video", video, "s"),
    ]
    for kind, name in (("video", "LeRobot, video"), ("image", "LeRobot, PNG")):
        theirs = _lerobot_rate(folders[kind], store.n_rows)
        size = folder_bytes(folders[kind]) / 1e6
        rows += [
            Row("windows of the store", rate, "1/s", name, theirs, at_least=READ_TARGET),
            Row("windows as float32", as_floats, "1/s", name, theirs),
            Row("store, these episodes", folder_bytes(store.path) / 1e6, "MB", name, size),
        ]
    return rows


def _lerobot_rate(folder: Path, rows: int) -> float:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    probe = LeRobotDataset("any/name", root=folder, video_backend="pyav")
    steps = [step / probe.fps for step in range(WINDOW)]
    dataset = LeRobotDataset(
        "any/name",
        root=folder,
        video_backend="pyav",
        delta_timestamps=dict.fromkeys(probe.meta.camera_keys, steps),
    )
    return _rate(lambda start: dataset[start], _starts(rows, READS // 5))


def _plain_export(store: Store, folder: Path) -> None:
    """What LeRobot's examples do: state, action and images, frame by frame."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    cameras = [name for name in store.names if name.startswith(IMAGE_PREFIX)]
    vectors = {"observation.state": "state", "action": "action"}
    features: dict[str, dict[str, Any]] = {
        key: {"dtype": "float32", "shape": store.array(name).shape[1:], "names": None}
        for key, name in vectors.items()
    } | {
        f"observation.images.{name}": {
            "dtype": "image",
            "shape": store.array(name).shape[1:],
            "names": ["height", "width", "channels"],
        }
        for name in cameras
    }
    dataset = LeRobotDataset.create(
        "any/name", fps=30, features=features, root=folder, use_videos=False
    )
    for episode, record in enumerate(store.records):
        rows = {k: store.read(name, episode).astype(np.float32) for k, name in vectors.items()}
        rows |= {f"observation.images.{name}": store.read(name, episode) for name in cameras}
        for step in range(store.length(episode)):
            dataset.add_frame(
                {k: values[step] for k, values in rows.items()} | {"task": record.task}
            )
        dataset.save_episode()
    dataset.finalize()
