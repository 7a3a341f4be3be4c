"""Measures bags: import against a bare read, storage against MCAP, random reads."""

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer


def bag(
    bags: Annotated[list[Path], typer.Argument(help="Bags of SALUS, such as out/run1/bags/w0_0.")],
    repeats: Annotated[
        int, typer.Option(min=1, help="Times each is measured; the best counts.")
    ] = 3,
    reads: Annotated[int, typer.Option(min=1, help="Windows that are read at random.")] = 200,
    window: Annotated[int, typer.Option(min=1, help="Steps of a window.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Import speed against a bare read by the library, storage against MCAP, random reads.

    The bare read takes every message of the bag and deserialises it; the import also joins,
    computes signals and labels, compresses and commits. Reads of windows are random rows of both
    cameras from the store, and the same rows from the bag through the library's index.

    Exit status: 0 measured, 2 wrong use.
    """
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("measuring"), tempfile.TemporaryDirectory(prefix="salus-bench-") as scratch:
        figures = measure(bags, Path(scratch), repeats, reads, window)
    if as_json:
        typer.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        typer.echo(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")


def measure(
    bags: list[Path], scratch: Path, repeats: int, reads: int, window: int
) -> dict[str, Any]:
    """The figures of the bags; MB are 10^6 bytes of the bags' files."""
    from salus_data.bags.importing import import_bags
    from salus_data.errors import FormatError
    from salus_data.info import folder_bytes
    from salus_data.store import Store

    for path in bags:
        if not path.exists():
            raise FormatError(f"{path}: no such bag")
    size = sum(folder_bytes(path) if path.is_dir() else path.stat().st_size for path in bags) / 1e6
    bare, imported, bare_cpu, import_cpu = [], [], [], []
    store = scratch / "store.zarr"
    for _ in range(repeats):
        used = time.process_time()
        payload, seconds = _bare_read(bags)
        bare.append(seconds)
        bare_cpu.append(time.process_time() - used)
        shutil.rmtree(store, ignore_errors=True)
        used, started = time.process_time(), time.perf_counter()
        report = import_bags(bags, store)
        imported.append(time.perf_counter() - started)
        import_cpu.append(time.process_time() - used)
        if not report.complete:
            raise FormatError(f"not a sound bag: {(report.lost or report.problems)[0]}")
    opened = Store.open(store)
    from_store, from_bag = _random_reads(opened, bags, reads, window)
    return {
        "episodes": len(opened),
        "rows": opened.n_rows,
        "bag_mb": size,
        "payload_mb": payload / 1e6,
        "bare_read_mb_per_s": size / min(bare),
        "import_mb_per_s": size / min(imported),
        "import_payload_mb_per_s": payload / 1e6 / min(imported),
        "import_time_over_bare_read": min(imported) / min(bare),
        "import_cpu_over_bare_read": min(import_cpu) / min(bare_cpu),
        "store_mb": folder_bytes(store) / 1e6,
        "store_over_bag": folder_bytes(store) / 1e6 / size,
        "store_windows_per_s": from_store,
        "bag_windows_per_s": from_bag,
        "store_over_bag_windows": from_store / from_bag,
    }


def _bare_read(bags: list[Path]) -> tuple[int, float]:
    """Bytes of all messages, and seconds that the library needs to read and deserialise them."""
    from rosbags.highlevel import AnyReader

    payload, started = 0, time.perf_counter()
    for path in bags:
        with AnyReader([path]) as reader:
            for connection, _, data in reader.messages():
                reader.deserialize(data, connection.msgtype)
                payload += len(data)
    return payload, time.perf_counter() - started


def _random_reads(store: Any, bags: list[Path], reads: int, window: int) -> tuple[float, float]:
    """Windows a second: from the store, and from the first bag through the library."""
    import numpy as np
    from rosbags.highlevel import AnyReader

    random = np.random.default_rng(0)
    stamps = store.read("stamp", 0)
    starts = random.integers(max(store.n_rows - window, 1), size=reads).tolist()
    cameras = [f"image_{camera}" for camera in store.contract.cameras]
    started = time.perf_counter()
    for start in starts:
        for name in (*cameras, "state"):
            store.window(name, start, start + window)
    from_store = reads / (time.perf_counter() - started)

    few = max(reads // 10, 1)
    places = random.integers(max(len(stamps) - window, 1), size=few).tolist()
    with AnyReader([bags[0]]) as reader:
        wanted = [c for c in reader.connections if c.topic.endswith(("image_raw", "joint_states"))]
        started = time.perf_counter()
        for place in places:
            first, last = int(stamps[place]), int(stamps[place + window - 1])
            for connection, _, data in reader.messages(wanted, start=first, stop=last + 1):
                reader.deserialize(data, connection.msgtype)
        from_bag = few / (time.perf_counter() - started)
    return from_store, from_bag


if __name__ == "__main__":
    typer.run(bag)
