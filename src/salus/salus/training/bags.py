"""Bags to train on: imported once, beside the model, and found again by the next run."""

import hashlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from salus.bars import messages
from salus_data.bags.importing import import_bags
from salus_data.bags.source import SUFFIXES
from salus_data.errors import FormatError


def import_for_training(bags: Sequence[Path], out: Path, console: Console) -> Path:
    """The store of those bags, `OUT-bags-DIGEST.zarr`; imported where it is not there yet.

    What could not be imported is told each time, also when the store is found again.

    Args:
        bags: of SALUS; the digest is of their files' names, sizes and times of change.
        out: folder of the model.
        console: for progress and for what was lost.

    Raises:
        FormatError: a path is no bag, or not one episode of the bags is whole.
        StoreWriteError: the disk refuses.
    """
    out = out.resolve()
    store = out.with_name(f"{out.name}-bags-{_digest(bags)}.zarr")
    noted = store.with_suffix(".json")
    if not (store.is_dir() and noted.is_file()):
        _import(bags, store, noted, console)
    _tell(json.loads(noted.read_text(encoding="utf-8")), store, console)
    return store


def _import(bags: Sequence[Path], store: Path, noted: Path, console: Console) -> None:
    """Import beside the place and rename, so that an interrupted import leaves no half store."""
    staging = store.with_name(f".{store.name}.importing-{os.getpid()}")
    try:
        with messages("importing bags: ", console) as progress:
            report = import_bags(
                bags,
                staging,
                command=shlex.join(["salus", *sys.argv[1:]]),
                progress=progress,
            )
        if not report.imported:
            reasons = [loss.reason for loss in report.lost] + [line for _, line in report.problems]
            raise FormatError(
                f"{', '.join(map(str, bags))}: no whole episode to train on"
                + (f"; first reason: {reasons[0]}" if reasons else "")
            )
        shutil.rmtree(store, ignore_errors=True)
        staging.rename(store)
        noted.write_text(json.dumps(report.to_json() | {"store": str(store)}), encoding="utf-8")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _tell(report: dict[str, Any], store: Path, console: Console) -> None:
    lost, problems = report["lost"], report["problems"]
    console.print(
        f"{store}: {len(report['imported'])} episodes, {report['rows']:,} rows from bags; "
        f"{len(lost)} episodes not imported",
        markup=False,
        highlight=False,
    )
    lines = [f"not imported: {x['bag']}: episode {x['episode']}: {x['reason']}" for x in lost]
    lines += [f"damaged: {bag}: {problem}" for bag, problem in problems]
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _digest(bags: Sequence[Path]) -> str:
    """Of what tells one set of bags from another without reading them: 8 hexadecimal digits."""
    facts = []
    for bag in bags:
        if not bag.exists():
            raise FormatError(f"{bag}: no such bag")
        files = sorted(bag.iterdir()) if bag.is_dir() else [bag]
        for file in files:
            if file.name.endswith((*SUFFIXES, ".yaml")):
                status = file.stat()
                facts.append((str(file.resolve()), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]
