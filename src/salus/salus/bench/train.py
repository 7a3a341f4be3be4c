"""How long training takes, how long a step, and how large the model is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from salus.bench.harness import Benchmark, Row
from salus_data.errors import FormatError
from salus_predictor.steps import StepData
from salus_predictor.training.measure import STREAMED, made_up
from salus_predictor.training.measure import measure as measure_speeds

ROWS = 100_000
TRAIN_S, STEP_MS, FOLDER_MB = 60.0, 1.0, 2.0


def measure(stores: Sequence[Path], epochs: int, rows: int, signals: int, inputs: str) -> Benchmark:
    """Train on made-up episodes, or on stores; times are per 100,000 training steps.

    Raises:
        FormatError: a store does not exist.
        SalusError: the stores cannot be learnt from.
    """
    if missing := [str(path) for path in stores if not path.exists()]:
        raise FormatError(f"no such store: {', '.join(missing)}")
    data = StepData.read(stores) if stores else made_up(rows, signals)
    found = measure_speeds(data, epochs=epochs, inputs=inputs)
    scale = ROWS / found.rows
    stream = float(np.percentile(found.stream_ms, 99))
    own, torch = (float(np.median(times)) for times in (found.network_ms, found.module_ms))
    return Benchmark(
        "train",
        (
            Row(f"{epochs} epochs over {ROWS:,} steps", scale * found.network_s, "s",
                at_most=TRAIN_S),
            Row(f"trees over {ROWS:,} steps", scale * found.trees_s, "s", f"{epochs} epochs",
                scale * found.network_s),
            Row("a step of network and trees, p99", stream, "ms", at_most=STEP_MS),
            Row("a step of network and trees, median", float(np.median(found.stream_ms)), "ms",
                "bare network in torch", torch),
            Row("a step of the network, median", own, "ms", "bare network in torch", torch),
            Row("model folder", found.folder_bytes / 1e6, "MB", at_most=FOLDER_MB),
        ),
        {
            "training_steps": found.rows,
            "signals": found.inputs,
            "epochs": epochs,
            "streamed_steps": STREAMED,
            "data": [str(path) for path in stores] or "made up",
        },
    )  # fmt: skip
