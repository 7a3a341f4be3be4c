"""Round trips: collect -> bag -> store, and store -> LeRobot -> store; every bit is compared."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from salus.bench.bags import first_episodes
from salus.bench.collecting import collect
from salus.bench.harness import Benchmark, Row
from salus.collecting.settings import shared_file
from salus_data.bags.importing import import_bags
from salus_data.compare import differences
from salus_data.errors import SalusError
from salus_data.joining.episode_arrays import first_intervention
from salus_data.lerobot_io.export import export_dataset
from salus_data.lerobot_io.importing import import_dataset
from salus_data.schema import IMAGE_PREFIX
from salus_data.store import Store
from salus_data.view import StoreView


def measure(
    episodes: int, policy: str, localiser: str, image_size: int, lerobot_episodes: int
) -> Benchmark:
    """Everything of `salus bench round-trip`.

    The shipped predictor watches, and its supervisor may act, so that supervisor states,
    executed actions and first interventions are among what has to come back.

    Args:
        episodes: that are collected into a store and a bag at once.
        policy: by name; one of SmolVLA has uncertainty and an embedding.
        localiser: adds signals of what the cameras show; empty: none.
        image_size: side of the images [px].
        lerobot_episodes: of those, how many go through LeRobot.

    Raises:
        SalusError: the collection or a conversion did not end.
    """
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        scratch = Path(folder)
        run = scratch / "run"
        collect(
            run,
            episodes,
            1,
            image_size=image_size,
            policy=policy,
            localiser=localiser,
            model="shipped",
            supervise="active",
            bag=True,
            config=_with_embedding(scratch / "collect.yaml"),
        )
        recorded = StoreView(run)
        report = import_bags(sorted((run / "bags").iterdir()), scratch / "imported.zarr")
        told = [str(loss.reason) for loss in report.lost] + [line for _, line in report.problems]
        if not report.imported:
            raise SalusError(f"nothing was imported: {told[0] if told else 'the bag is empty'}")
        found = differences(recorded, StoreView(scratch / "imported.zarr"))
        rows = [
            Row("episodes, bag to store", len(report.imported), "", at_least=episodes),
            Row("losses and problems told", len(told), "", at_most=0),
            Row("differences, bag to store", len(found), "", at_most=0),
            *_lerobot_rows(recorded.stores[0], scratch, lerobot_episodes),
        ]
        return Benchmark("round-trip", tuple(rows), _facts(recorded) | {"policy": policy})


def _with_embedding(path: Path) -> Path:
    """The configuration as it ships, but that the policy's hidden state is recorded."""
    nodes = yaml.safe_load(shared_file("config", "collect.yaml").read_text(encoding="utf-8"))
    nodes["/**/policy_node"]["ros__parameters"]["embedding"] = True
    path.write_text(yaml.safe_dump(nodes), encoding="utf-8")
    return path


def _lerobot_rows(recorded: Store, scratch: Path, count: int) -> list[Row]:
    """The first episodes through LeRobot, as PNG and as video."""
    few = StoreView(first_episodes(recorded, scratch / "few.zarr", count).path)
    back: dict[str, Sequence[str]] = {}
    for kind in ("image", "video"):
        export_dataset(few, scratch / kind, images=kind)
        import_dataset(scratch / kind, scratch / f"{kind}.zarr", command="salus bench round-trip")
        back[kind] = differences(few, StoreView(scratch / f"{kind}.zarr"))
    no_image = [line for line in back["video"] if f": {IMAGE_PREFIX}" not in line]
    return [
        Row("episodes through LeRobot", count, ""),
        Row("differences, LeRobot with PNG to store", len(back["image"]), "", at_most=0),
        Row("the same with video, but for images", len(no_image), "", at_most=0),
    ]


def _facts(view: StoreView) -> dict[str, object]:
    """What was among the things that came back."""
    outcomes = sorted({record.outcome.name for record in view.records})
    states = [view.read("supervisor_state", i) for i in range(len(view))]
    return {
        "episodes": len(view),
        "rows": view.n_rows,
        "arrays": " ".join(view.names),
        "outcomes": " ".join(outcomes),
        "intervened_episodes": sum(first_intervention(state) >= 0 for state in states),
        "supervisor_states": np.unique(np.concatenate(states)).tolist(),
    }
