"""How long a model takes for one step of a recorded episode, in this process."""

import time

import numpy as np
from numpy.typing import NDArray

from salus.bench.playback import Played
from salus_data.errors import ContractMismatchError
from salus_predictor.online.join import StepParts
from salus_predictor.online.signals import OnlineSignals
from salus_predictor.online.watched import WatchedModel


def step_times(played: Played, model: WatchedModel, repeats: int) -> NDArray[np.float64]:
    """Wall time of every step of the model's stream [ms]; its inputs are given.

    Args:
        played: the episode.
        model: that is asked.
        repeats: how often the episode is played; once more before that, to warm up.

    Raises:
        ContractMismatchError: the model does not fit the episode.
    """
    names = [column.name for column in played.contract.signals]
    if missing := [name for name in model.predictor.inputs if name not in names]:
        raise ContractMismatchError(
            f"the model reads {', '.join(missing)}; the episode has {', '.join(names)}"
        )
    rows = _rows(played)[:, [names.index(name) for name in model.predictor.inputs]]
    stream = model.predictor.stream()
    times = []
    for _ in range(1 + repeats):
        stream.reset()
        for row in rows:
            began = time.perf_counter()
            stream.step(row)
            times.append(time.perf_counter() - began)
    return 1000 * np.array(times[len(rows) :])


def _rows(played: Played) -> NDArray[np.float32]:
    """The signals of every step, (T, K)."""
    signals = OnlineSignals(played.contract, len(played.signals[0]))
    rows = []
    executed = None
    for step, state in enumerate(played.states):
        parts = StepParts(
            step,
            step,
            joints=state[:27],
            pose=state[27:],
            perceived=played.perceived[step],
            proposed=played.actions[step],
            uncertainty=played.signals[step],
            validity=played.validity[step],
        )
        rows.append(signals.step(parts, executed)[0])
        executed = played.actions[step]
    return np.stack(rows)
