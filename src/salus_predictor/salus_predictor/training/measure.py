"""Speeds of the predictor: `python -m salus_predictor.training.measure STORE...`.

Times are of this machine and its load at the time; the ratio to the same network called step by
step in torch is of one run and travels better.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from salus_predictor.calibration.calibrate import choose_thresholds
from salus_predictor.model.folder import Episodes, Model, save_model
from salus_predictor.model.network import Network
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.schema import Provenance
from salus_predictor.steps import StepData
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.module import HazardModule
from salus_predictor.training.options import KINDS, TrainOptions
from salus_predictor.training.split import split_by_seed

STEPS = 2000
"""Steps of the stream that are timed."""


def measure(
    stores: list[Path], out: Path, *, epochs: int = 50, inputs: str = "portable"
) -> dict[str, float]:
    """Train a network without stopping early, then stream with every kind; seconds and bytes."""
    data = StepData.read(stores)
    train, held = (data.subset(part) for part in split_by_seed(data, 0.2, 0))
    options = TrainOptions(epochs=epochs, patience=epochs, inputs=inputs, kind="average")
    network_only = replace(options, kind="network")
    started = time.perf_counter()
    fit_predictor(train, held, network_only, force=True)
    seconds = time.perf_counter() - started
    rows = train.n_rows
    found = {
        "train_rows": float(rows),
        "train_network_s": seconds,
        "train_network_s_per_100000_rows": seconds * 100_000 / rows,
    }
    predictor = fit_predictor(train, held, replace(options, epochs=2), force=True)
    model = Model(
        predictor,
        choose_thresholds(predictor, held),
        Provenance(),
        Episodes((), ()),
        options.kind,
    )
    save_model(model, out)
    found["model_folder_bytes"] = float(sum(file.stat().st_size for file in out.iterdir()))
    for kind in KINDS:
        members = tuple(
            member
            for member in predictor.members
            if kind == "average" or isinstance(member, Network) == (kind == "network")
        )
        only = replace(predictor, members=members, weights=(1 / len(members),) * len(members))
        times = _stream_times(only, held)
        found[f"stream_{kind}_p50_ms"] = float(np.percentile(times, 50))
        found[f"stream_{kind}_p99_ms"] = float(np.percentile(times, 99))
    found["torch_module_p50_ms"] = float(np.percentile(_torch_times(predictor), 50))
    found["stream_network_to_torch_module"] = (
        found["stream_network_p50_ms"] / found["torch_module_p50_ms"]
    )
    return found


def _stream_times(predictor: HazardPredictor, data: StepData) -> list[float]:
    columns = [data.signal_names.index(name) for name in predictor.inputs]
    rows = data.signals[:STEPS, columns]
    stream = predictor.stream()
    times = []
    for row in rows:
        started = time.perf_counter()
        stream.step(row)
        times.append(1e3 * (time.perf_counter() - started))
    return times[len(times) // 10 :]


def _torch_times(predictor: HazardPredictor) -> list[float]:
    """One step of the same network in torch, its features given."""
    network = next(m for m in predictor.members if isinstance(m, Network))
    width, features = network.tensors["input.weight"].shape
    module = HazardModule(
        features, network.horizons, network.types, width=width, state=width, dropout=0.0
    ).eval()
    row = torch.zeros(1, 1, features)
    times = []
    with torch.inference_mode():
        for _ in range(STEPS // 4):
            started = time.perf_counter()
            module(row)
            times.append(1e3 * (time.perf_counter() - started))
    return times


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="where the model goes")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--inputs", default="portable")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(given.stores, given.out, epochs=given.epochs, inputs=given.inputs)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()
