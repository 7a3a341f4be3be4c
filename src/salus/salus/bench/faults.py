"""Kills, a full disk, a store of another version, a reader on a store that is being written."""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from salus.bench.harness import Benchmark, Row
from salus_data.errors import FormatError, SalusError
from salus_data.faults import (
    CONTRACT,
    IMAGES,
    check_noise,
    kill_writer,
    noise_episode,
    write_noise,
)
from salus_data.store import Store
from salus_data.writer import StoreWriter

READ_SECONDS = 5.0
FULL_DISK = """
import resource, sys
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.writer import StoreWriter, StoreWriteError
writer = StoreWriter.open(sys.argv[1], CONTRACT, images=IMAGES, provenance={})
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    writer.append(*noise_episode(len(writer.committed)))
except StoreWriteError:
    sys.exit(3)
"""
"""A writer whose files may not grow beyond a limit: the system refuses its writes."""


def measure(kills: int) -> Benchmark:
    """Cause every fault; an episode that is lost or changed ends it with an error."""
    with tempfile.TemporaryDirectory() as folder:
        report = kill_writer(Path(folder) / "killed.zarr", kills)
        refused = full_disks(Path(folder) / "full.zarr")
        reads = reads_while_written(Path(folder) / "read.zarr")
        version = refuses_another_version(Path(folder) / "read.zarr")
    return Benchmark(
        "faults",
        (
            Row("kills survived", report.kills, "", "kills", kills, at_least=1),
            Row("kills amid an episode", report.interrupted, "", at_least=1),
            Row("writes refused, store intact", refused, "", at_least=1),
            Row("consistent reads beside a writer", reads, "", at_least=1),
            Row("store of another version refused", version, "", at_least=1),
        ),
        {"episodes": report.committed_episodes, "seconds": round(report.seconds, 1)},
    )


def full_disks(path: Path) -> int:
    """Writes that the system refused at different moments of an episode; the store stays whole.

    Raises:
        LostEpisodeError: a committed episode is missing or changed.
    """
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={}) as writer:
        writer.append(*noise_episode(0))
    refused = 0
    for limit in (0, 500, 5_000, 50_000, 150_000):
        command = [sys.executable, "-c", FULL_DISK, str(path), str(limit)]
        refused += subprocess.run(command, check=False, env=os.environ).returncode == 3
        check_noise(Store.open(path), 0)
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={}) as writer:
        writer.append(*noise_episode(len(writer.committed)))
    check_noise(Store.open(path), 0)
    return refused


def reads_while_written(path: Path) -> int:
    """How often a reader found every committed episode whole while a writer was at work.

    Raises:
        SalusError: a read found something else.
    """
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe(duplex=False)
    writer = processes.Process(target=write_noise, args=(path, theirs), daemon=True)
    writer.start()
    theirs.close()
    reads = 0
    try:
        if not ours.poll(60.0):
            raise SalusError(f"{path}: the writer did not start")
        ours.recv_bytes()
        seen, due = 0, time.monotonic() + READ_SECONDS
        while time.monotonic() < due:
            store = Store.open(path)
            if len(store) < seen:
                raise SalusError(f"{path}: {seen} episodes were there, now {len(store)}")
            check_noise(store, max(0, len(store) - 2))
            seen, reads = len(store), reads + 1
    finally:
        writer.kill()
        writer.join()
        ours.close()
    return reads


def refuses_another_version(path: Path) -> int:
    """1 where a store of a later schema is refused with one line that names the version."""
    metadata = path / "zarr.json"
    content = json.loads(metadata.read_text(encoding="utf-8"))
    content["attributes"]["schema_version"] = 999
    metadata.write_text(json.dumps(content), encoding="utf-8")
    try:
        Store.open(path)
    except FormatError as error:
        return int("999" in str(error))
    return 0
