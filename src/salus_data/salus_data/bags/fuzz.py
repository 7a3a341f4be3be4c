"""Damage a bag in many ways and see that the import never lies.

    python -m salus_data.bags.fuzz BAG --mutations 500 --seed 0

For every damaged copy: no crash; every episode that is imported equals that of the sound bag in
record, labels and every array; every other one is reported with a reason.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from salus_data.bags.importing import import_bags
from salus_data.bags.mutations import IN_FILES, IN_MESSAGES, mutate
from salus_data.bags.report import ImportReport
from salus_data.errors import SalusError
from salus_data.store import Store


@dataclass
class FuzzResult:
    """What came of the mutations.

    Attributes:
        tried: mutations by name.
        imported, lost: episodes over all mutations.
        failures: one line for each lie or crash, with what repeats it.
    """

    tried: Counter[str] = field(default_factory=Counter)
    imported: int = 0
    lost: int = 0
    failures: list[str] = field(default_factory=list)


def fuzz(
    bag: Path, mutations: int, seed: int, progress: Callable[[], None] = lambda: None
) -> FuzzResult:
    """Import `mutations` damaged copies of a sound bag.

    Raises:
        SalusError: the bag is not sound to begin with.
    """
    result = FuzzResult()
    names = [*IN_MESSAGES, *IN_FILES]
    with tempfile.TemporaryDirectory(prefix="salus-fuzz-") as scratch:
        folder = Path(scratch)
        truth_path = folder / "truth.zarr"
        whole = import_bags([bag], truth_path)
        if not whole.complete:
            raise SalusError(f"{bag}: not sound: {whole.lost or whole.problems}")
        truth = _facts(truth_path)
        for number in range(mutations):
            name = names[number % len(names)]
            result.tried[name] += 1
            what = f"{name} (--seed {seed}, mutation {number})"
            _try(bag, folder, name, np.random.default_rng([seed, number]), truth, result, what)
            progress()
    return result


def _try(
    bag: Path,
    folder: Path,
    name: str,
    random: np.random.Generator,
    truth: dict[str, Any],
    result: FuzzResult,
    what: str,
) -> None:
    damaged, store = folder / "bag", folder / "store.zarr"
    for path in (damaged, store):
        shutil.rmtree(path, ignore_errors=True)
    mutate(bag, damaged, name, random)
    try:
        report = import_bags([damaged], store)
    except SalusError as error:
        result.lost += len(truth)
        if not str(error):
            result.failures.append(f"{what}: refused without a reason")
        return
    except Exception as error:  # noqa: BLE001 - a crash is what is looked for
        result.failures.append(f"{what}: crashed: {error!r}")
        return
    result.imported += len(report.imported)
    result.lost += len(report.lost)
    result.failures += [f"{what}: {lie}" for lie in _lies(report, store, truth)]


def _lies(report: ImportReport, store: Path, truth: dict[str, Any]) -> list[str]:
    found = _facts(store) if report.imported else {}
    lies = []
    for episode, facts in found.items():
        expected = truth.get(episode)
        if expected is None:
            lies.append(f"episode {episode} was never recorded")
            continue
        wrong = [part for part in facts if facts[part] != expected.get(part)]
        if wrong:
            lies.append(f"episode {episode} differs in {', '.join(wrong)}")
    told = {loss.episode for loss in report.lost if loss.reason}
    silent = truth.keys() - found.keys() - told
    # Without index and events nobody can know an episode's name; then the damage itself is told.
    if silent and not report.problems:
        lies.append(f"episodes {sorted(silent)} are neither imported nor reported")
    return lies


def _facts(path: Path) -> dict[str, Any]:
    store = Store.open(path)
    return {
        record.id: {name: store.read(name, i).tobytes() for name in store.names}
        | {"record": json.dumps(record.to_json())}
        for i, record in enumerate(store.records)
    }


def _tick(ticks: Iterator[int]) -> None:
    next(ticks, None)


def main() -> None:
    """Print what came of it; exit status 1 where the import lied or crashed."""
    from rich.progress import track

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("bag", type=Path, help="a sound bag, better a small one")
    parser.add_argument("--mutations", type=int, default=500, help="damaged copies [500]")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations [0]")
    arguments = parser.parse_args()
    ticks = iter(track(range(arguments.mutations), description="mutations"))
    result = fuzz(arguments.bag, arguments.mutations, arguments.seed, lambda: _tick(ticks))
    print(
        f"{sum(result.tried.values())} mutations: {result.imported} episodes imported and equal, "
        f"{result.lost} reported as lost, {len(result.failures)} failures"
    )
    for failure in result.failures:
        print(failure)
    sys.exit(1 if result.failures else 0)


if __name__ == "__main__":
    main()
