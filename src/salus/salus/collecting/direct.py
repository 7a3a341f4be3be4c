"""One process of a collection without ROS (`salus collect --direct`)."""

import os
from collections.abc import Callable
from multiprocessing.queues import Queue
from typing import Any

from salus.collecting.reporting import report
from salus.collecting.settings import CollectSettings
from salus_collector.collection import CollectionProgress, share_of, store_path, versions
from salus_collector.direct import DirectCollection, DirectSettings
from salus_collector.outcomes import end_of
from salus_collector.perception.seeing import with_localiser
from salus_collector.policy.registry import make_policy
from salus_collector.policy.settings import PolicySettings
from salus_collector.sim.disturbance_config import load_mix
from salus_collector.sim.registry import make_environment
from salus_collector.sim.session import Session
from salus_data.types import Outcome
from salus_data.yaml_file import read_yaml

POLICY_KEYS = ("device", "dtype", "noises", "signals_every", "threads", "embedding")
SIM_KEYS = ("action_space", "image_size", "step_limit", "stall_budget", "timeout_rule")


def collect_directly(
    settings: CollectSettings, worker: int, on_progress: Callable[[CollectionProgress], None]
) -> int:
    """Run one worker's episodes until they are in the store.

    Returns:
        Exit status: 0 all committed, 1 some discarded, 130 interrupted.

    Raises:
        SalusError: something could not be made or go on.
    """
    sim, own = (
        _parameters(settings, "sim_node", worker),
        _parameters(settings, "policy_node", worker),
    )
    environment = make_environment(
        sim.get("environment", "panda_pick_place"), **{k: sim[k] for k in SIM_KEYS if k in sim}
    )
    policy = make_policy(
        own["policy"], PolicySettings(**{k: own[k] for k in POLICY_KEYS if k in own})
    )
    cameras = tuple(name for name in own["cameras"] if name) if settings.keep_images else ()
    collection = DirectCollection(
        Session(environment, load_mix(sim["disturbances"]), sim["seed"], policy=sim["policy"]),
        with_localiser(policy, own.get("localiser", "")),
        DirectSettings(
            store=store_path(settings.out, worker),
            provenance={
                "command": settings.command(),
                "versions": versions(),
            },
            horizons=tuple(own["horizons"]),
            cameras=cameras,
            task=own["task"],
            config_digest=own["config_digest"],
        ),
    )
    progress, todo = share_of(worker, settings.workers, settings.out, settings.episodes)
    on_progress(progress)
    parent = os.getppid()
    try:
        for index in todo:
            for step in collection.episode(index):
                progress.step, progress.steps = step, progress.steps + 1
                # A worker whose parent was killed would go on unseen.
                if os.getppid() != parent:
                    return 1
            _count(progress, collection, index)
            on_progress(progress)
    except KeyboardInterrupt:
        return 130
    finally:
        collection.close()
        environment.close()
    return 1 if progress.discarded else 0


def _count(progress: CollectionProgress, collection: DirectCollection, index: int) -> None:
    record = collection.record
    assert record is not None
    if record.outcome is Outcome.DISCARDED:
        progress.discarded.append((index, collection.reason))
        return
    progress.outcomes[end_of(record)] += 1
    progress.steps_recorded += progress.step + 1


def _parameters(settings: CollectSettings, node: str, worker: int) -> dict[str, Any]:
    """What a node of the graph would be told: the configuration file, then the command line."""
    config, asked = settings.parameter_files(worker)
    found: dict[str, Any] = {}
    for path in (config, asked):
        content = read_yaml(path)
        found |= content.get(f"/**/{node}", {}).get("ros__parameters", {})
    return found


def run_direct_worker(worker: int, settings: CollectSettings, queue: "Queue[Any]") -> None:
    """Target of a worker process that speaks by `reporting`."""
    report(worker, queue, lambda on_progress: collect_directly(settings, worker, on_progress))
