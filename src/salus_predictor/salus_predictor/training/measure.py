"""Speeds and sizes of the predictor; `salus bench train` prints them."""

import math
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from salus_data.action_space import DELTA_EE
from salus_data.contract import DEFAULT_HORIZONS, Column, Contract
from salus_data.episode import EpisodeRecord
from salus_data.labels import compute_horizon_labels
from salus_data.types import FAILURE_TYPES, NO_FAILURE, Outcome
from salus_predictor.calibration.calibrate import choose_thresholds
from salus_predictor.model.folder import Episodes, Model
from salus_predictor.model.network import Network
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.schema import Provenance
from salus_predictor.model.writing import save_model
from salus_predictor.steps import StepData
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.module import HazardModule
from salus_predictor.training.options import TrainOptions
from salus_predictor.training.split import split_by_seed

VALIDATION: Final = 0.2
"""Share of the episodes that validates, as in `salus train`."""

STREAMED: Final = 2000
"""Steps of the stream that are timed."""

RISE: Final = 20
"""Steps before a made-up failure in which its signal rises."""


@dataclass(frozen=True)
class Speeds:
    """What was measured.

    Attributes:
        rows: training steps.
        inputs: signals that are read.
        network_s: of fitting a network for all epochs, with features, validation and scaling [s].
        trees_s: of fitting the trees, likewise [s].
        stream_ms: (STREAMED,) of every step of an averaged predictor [ms].
        network_ms, module_ms: (n,) of every step of its network in numpy and in torch [ms].
        folder_bytes: of the model's files.
    """

    rows: int
    inputs: int
    network_s: float
    trees_s: float
    stream_ms: NDArray[np.float64]
    network_ms: NDArray[np.float64]
    module_ms: NDArray[np.float64]
    folder_bytes: int


def measure(data: StepData, *, epochs: int, inputs: str) -> Speeds:
    """Fit a network for so many epochs and trees, average them, stream, and write the folder.

    Args:
        data: episodes; `VALIDATION` of them validate, the others are trained on.
        epochs: of the network; none of them is left out by early stopping.
        inputs: as of `salus train --inputs`.

    What is learnt may be worth nothing: that is not what is measured.

    Raises:
        SalusError: the data cannot be learnt from.
    """
    train, held = (data.subset(part) for part in split_by_seed(data, VALIDATION, 0))
    options = TrainOptions(epochs=epochs, patience=epochs, inputs=inputs)
    # The first optimiser of a process loads torch's compiler, for seconds.
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    began = time.perf_counter()
    network = fit_predictor(train, held, replace(options, kind="network"), force=True)
    network_s = time.perf_counter() - began
    began = time.perf_counter()
    trees = fit_predictor(train, held, replace(options, kind="trees"), force=True)
    trees_s = time.perf_counter() - began
    average = replace(network, members=(*network.members, *trees.members), weights=(0.5, 0.5))
    return Speeds(
        train.n_rows,
        len(average.inputs),
        network_s,
        trees_s,
        _stream_times(average, held),
        _stream_times(network, held),
        _module_times(network),
        folder_bytes(average, held),
    )


def folder_bytes(predictor: HazardPredictor, data: StepData) -> int:
    """Size of the model's files, with thresholds from the data."""
    calibration = choose_thresholds(predictor, data)
    seeds = Episodes((), tuple(record.seed for record in data.records))
    with tempfile.TemporaryDirectory() as folder:
        save_model(
            Model(predictor, calibration, Provenance(), seeds, "average"),
            Path(folder),
        )
        return sum(file.stat().st_size for file in Path(folder).iterdir())


def made_up(rows: int, signals: int, *, length: int = 200, seed: int = 0) -> StepData:
    """Episodes from noise, half of them failures that a signal of each type announces.

    Args:
        rows: at least so many are left for training.
        signals: K, 4 or more.
        length: rows of an episode.
        seed: of the noise.
    """
    random = np.random.default_rng(seed)
    episodes = math.ceil(rows / (1 - VALIDATION) / length) + 8
    values = random.normal(size=(episodes * length, signals)).astype(np.float32)
    values = np.cumsum(values.reshape(episodes, length, signals), axis=1) / math.sqrt(length)
    records = []
    for index in range(episodes):
        kind = (NO_FAILURE, index // 2 % len(FAILURE_TYPES))[index % 2]
        if kind != NO_FAILURE:
            values[index, -RISE:, kind] += np.linspace(0, 4, RISE)
        records.append(
            EpisodeRecord(
                id=f"0-{index:06d}",
                index=index,
                seed=index,
                outcome=Outcome.SUCCESS if kind == NO_FAILURE else Outcome.FAILURE,
                failure_type=kind,
                onset_step=length - 1,
                confirm_step=length - 1,
            )
        )
    contract = Contract(
        step_period=1 / 30,
        action_space=DELTA_EE,
        state=(),
        perceived=(),
        signals=tuple(Column(f"made_up_{number}", "1") for number in range(signals)),
        cameras=(),
        policy="made up",
    )
    ends = length * np.arange(1, episodes + 1, dtype=np.int64)
    labels, valid = compute_horizon_labels(ends, records, DEFAULT_HORIZONS, len(FAILURE_TYPES))
    return StepData(
        contract,
        values.reshape(-1, signals).astype(np.float32),
        labels,
        valid,
        ends,
        tuple(records),
        np.full(len(labels), -1, np.int16),
    )


def _stream_times(predictor: HazardPredictor, data: StepData) -> NDArray[np.float64]:
    columns = [data.signal_names.index(name) for name in predictor.inputs]
    rows = data.signals[:STREAMED, columns]
    stream = predictor.stream()
    times = []
    for row in rows:
        began = time.perf_counter()
        stream.step(row)
        times.append(1e3 * (time.perf_counter() - began))
    # The first ones warm up.
    return np.array(times[len(times) // 10 :])


def _module_times(predictor: HazardPredictor) -> NDArray[np.float64]:
    """One step of the same network in torch, its features given."""
    network = next(member for member in predictor.members if isinstance(member, Network))
    width, features = network.tensors["input.weight"].shape
    module = HazardModule(
        features, network.horizons, network.types, width=width, state=width, dropout=0.0
    ).eval()
    row = torch.zeros(1, 1, features)
    times = []
    with torch.inference_mode():
        for _ in range(STREAMED // 4):
            began = time.perf_counter()
            module(row)
            times.append(1e3 * (time.perf_counter() - began))
    return np.array(times)
