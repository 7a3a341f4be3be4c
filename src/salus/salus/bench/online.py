"""How fast the watching is, across processes: proposal to gated action, signals to forecast.

Three graphs play the same recorded episode in turn: `watched`, with predictor and supervisor as
processes of their own; `gate`, the supervisor alone, which has its forecasts from the driver before
the proposal comes; `relay`, a process that passes actions on and does nothing else. In all of them
the proposal comes `THINKS` after its observation. A step of the model alone is timed in this
process.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from salus_msgs.msg import FailureForecast

from salus.bench.child import Child
from salus.bench.collecting import Collected, collect
from salus.bench.harness import Benchmark, Row
from salus.bench.playback import PlaybackRobot, Played
from salus.bench.steps import step_times
from salus.bench.watched import Watched
from salus.collecting.settings import shared_file
from salus_data.errors import SalusError
from salus_data.types import FAILURE_TYPES
from salus_predictor.online.load import load_watched
from salus_ros import convert, topics
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph

PATIENCE = 60.0  # [s]
START = 300.0
"""Seconds in which nodes have to have started: a busy machine loads a model in a minute."""
THINKS = 0.02
"""Seconds from an observation to its proposal, as a learnt policy takes them: what is measured
begins with the proposal, and by then the observation has been heard."""
GATED_MS, FORECAST_MS, ADDED_MS, STEP_MS, RATE = 5.0, 10.0, 2.0, 1.0, 0.85

PREDICTOR = "salus_predictor.nodes.predictor_node"
SUPERVISOR = "salus_predictor.nodes.supervisor_node"


@dataclass(frozen=True)
class Times:
    """Latencies of every step [ms]; forecast is empty where the driver forecasts."""

    action: NDArray[np.float64]
    forecast: NDArray[np.float64]


def measure(watched: Watched, episodes: int, collected: int) -> Benchmark:
    """Play `episodes` episodes to every graph; then collect with and without a predictor."""
    model = watched.model
    loaded = load_watched(model)
    played = watched.record()
    alone = step_times(played, loaded, episodes)
    with claimed_domain() as domain, ExitStack() as stack:
        graphs = {
            name: stack.enter_context(playing(played, domain, name, model))
            for name in ("watched", "gate", "relay")
        }
        found: dict[str, list[Times]] = {name: [] for name in graphs}
        for _ in range(1 + episodes):
            for name, play in graphs.items():
                found[name].append(play())
    # The first episode of each warms up.
    action = {n: np.concatenate([t.action for t in times[1:]]) for n, times in found.items()}
    forecast = np.concatenate([t.forecast for t in found["watched"][1:]])
    p99 = {name: float(np.quantile(values, 0.99)) for name, values in action.items()}
    added = float(np.median(action["gate"]) - np.median(action["relay"]))
    rows = [
        Row("proposal to gated action, p99", p99["watched"], "ms", at_most=GATED_MS),
        Row("the same", p99["watched"], "ms", "a relay, p99", p99["relay"]),
        Row("signals to forecast, p99", float(np.quantile(forecast, 0.99)), "ms",
            at_most=FORECAST_MS),
        Row("the same", float(np.quantile(forecast, 0.99)), "ms", "a relay, p99", p99["relay"]),
        Row("the supervisor adds, median", added, "ms", at_most=ADDED_MS),
        Row("supervisor alone, median", float(np.median(action["gate"])), "ms",
            "a relay, median", float(np.median(action["relay"]))),
        Row("supervisor alone, p99", p99["gate"], "ms", "a relay, p99", p99["relay"]),
        Row("proposal to gated action, median", float(np.median(action["watched"])), "ms",
            "a relay, median", float(np.median(action["relay"]))),
    ]  # fmt: skip
    rows += [
        Row("a step of the model alone, p99", float(np.quantile(alone, 0.99)), "ms",
            at_most=STEP_MS),
        Row("a step of the model alone, median", float(np.median(alone)), "ms"),
    ]  # fmt: skip
    if collected:
        rows.append(_rates(watched, collected))
    return Benchmark(
        "online",
        tuple(rows),
        {
            "policy": watched.policy,
            "model": model,
            "steps": len(forecast),
            "episodes": episodes,
            "collected": collected,
        },
    )


def _rates(watched: Watched, episodes: int) -> Row:
    """Collection in lockstep, watched in shadow mode, against the same without a predictor."""
    with tempfile.TemporaryDirectory() as folder:
        root, model = Path(folder), watched.model
        path = model if model == "shipped" else str(Path(model).resolve())
        options: dict[str, Any] = {
            "policy": watched.policy,
            "localiser": watched.localiser,
            "image_size": watched.image_size,
        }
        runs: dict[str, list[Collected]] = {"plain": [], "watched": []}
        # In turn, half and half, so that a busy machine burdens both alike.
        for turn in range(2):
            share = (episodes + 1 - turn) // 2
            if not share:
                continue
            for name, model_path in (("plain", ""), ("watched", path)):
                out = root / f"{name}{turn}"
                runs[name].append(collect(out, share, 1, model=model_path, **options))
        pace = {
            name: sum(run.rows for run in found) / sum(run.seconds for run in found)
            for name, found in runs.items()
        }
    return Row(
        "watched collection",
        pace["watched"],
        "steps/s",
        "unwatched",
        pace["plain"],
        at_least=RATE,
    )


@contextmanager
def playing(played: Played, domain: int, name: str, model: str) -> Iterator[Callable[[], Times]]:
    """A graph that is ready to be played to; every call plays one episode."""
    namespace = f"/{name}"
    supervisor = {
        "supervise": "active",
        "rules": str(shared_file("config", "supervisor.yaml")),
    }
    children = {
        "watched": (
            Child(PREDICTOR, namespace, domain, {"model": model}),
            Child(SUPERVISOR, namespace, domain, supervisor),
        ),
        "gate": (Child(SUPERVISOR, namespace, domain, supervisor),),
        "relay": (Child("salus.bench.relay", namespace, domain, {}),),
    }[name]
    with Graph(domain, namespace) as graph:
        try:
            for child in children:
                child.start()
            robot = graph.add(lambda **options: PlaybackRobot(played, proposes=True, **options))
            forecasts = None
            if name == "gate":
                forecasts = robot.create_publisher(
                    FailureForecast, topics.FORECAST, topics.STEP_QOS
                )
            ready = graph.spin_until(
                lambda: (
                    robot.count_subscribers(topics.ACTION_PROPOSED) >= len(children)
                    and robot.count_publishers(topics.ACTION) > 0
                    and robot.count_subscribers(topics.EPISODE) >= len(children) - (name == "relay")
                ),
                START,
            )
            if not ready:
                for child in children:
                    child.require_alive()
                raise SalusError(f"graph {name}: its nodes were not heard within {START:.0f} s")
            # Discovery is symmetric only after a moment more.
            graph.spin_for(1.0)

            def play() -> Times:
                return _play(graph, robot, forecasts, watched=name == "watched")

            yield play
        finally:
            for child in children:
                child.close()


def _play(
    graph: Graph,
    robot: PlaybackRobot,
    forecasts: object,
    *,
    watched: bool,
) -> Times:
    episode = robot.begin()
    heard = robot.heard[episode]
    for step in range(len(robot.played)):
        robot.observe(step)
        if forecasts is not None:
            forecasts.publish(_calm(robot, step))  # type: ignore[attr-defined]
        graph.spin_for(THINKS)
        robot.propose(step)
        if not graph.spin_until(lambda step=step: step in heard.actions, PATIENCE):  # type: ignore[misc]
            raise SalusError(f"no action for step {step} of {episode} within {PATIENCE:.0f} s")
    robot.end()
    # The last forecast may still be on its way: its action came from another process.
    graph.spin_until(lambda: not watched or len(heard.forecasts) == len(robot.played), 5.0)
    steps = range(len(robot.played))
    action = [heard.at["actions", k] - heard.at["proposed", k] for k in steps]
    told = [
        heard.at["forecasts", k] - heard.at["uncertainty", k] for k in steps if k in heard.forecasts
    ]
    stale = [f.stale_reason for f in heard.forecasts.values() if f.stale_reason]
    if watched and (stale or len(told) < len(steps)):
        raise SalusError(f"{len(told)} forecasts for {len(steps)} steps; stale: {stale[:1]}")
    del robot.heard[episode]
    return Times(1000 * np.array(action), 1000 * np.array(told))


def _calm(robot: PlaybackRobot, step: int) -> FailureForecast:
    """A forecast that nothing will happen."""
    horizons = [0.166, 0.333, 0.5, 0.666]
    cells = len(horizons) * len(FAILURE_TYPES)
    return FailureForecast(
        header=convert.header(robot.stamp(step)),
        episode_id=robot.episode,
        step=step,
        step_period=robot.played.contract.step_period,
        horizons=horizons,
        failure_types=list(FAILURE_TYPES),
        probability=[0.0] * cells,
        levels=[FailureForecast.LEVEL_NORMAL] * cells,
        calibration_id="bench",
    )
