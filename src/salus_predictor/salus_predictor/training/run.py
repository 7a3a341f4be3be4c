"""`salus train` without its screen: examine, split, fit, calibrate, write the model folder."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from salus_data.doctor import examine
from salus_data.errors import FormatError
from salus_data.labels import label_digest
from salus_predictor.calibration.calibrate import DEFAULT_RATE, choose_thresholds
from salus_predictor.model.folder import MODEL, Episodes, Model
from salus_predictor.model.inputs import choose_inputs, reads_embedding
from salus_predictor.model.reading import load_model
from salus_predictor.model.schema import Provenance
from salus_predictor.model.writing import save_model
from salus_predictor.steps import StepData
from salus_predictor.training.checkpoint import Checkpoint
from salus_predictor.training.checks import (
    check_test_seeds,
    errors_of,
    is_dated,
    leaks_of,
    refuse,
)
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.listener import Listener, Silent
from salus_predictor.training.metrics import watch
from salus_predictor.training.options import TrainOptions
from salus_predictor.training.refusals import RefusedError
from salus_predictor.training.split import split_by_seed

CHECKPOINT: Final = ".training"
"""Folder inside that of the model, while it is trained."""

VERSIONS_OF: Final = ("numpy", "torch", "xgboost-cpu", "scikit-learn", "salus-predictor")


@dataclass(frozen=True)
class TrainRun:
    """Everything that one training is given.

    Attributes:
        stores: stores, or folders of stores.
        out: the model's folder; it must not hold a model.
        options: of the fit.
        validation: share of the seeds that validates.
        test: stores that are kept for testing: their seeds must not be trained on.
        min_positive_ratio: least share of valid steps with a positive label.
        alpha: false alarms per successful episode that alarms are set to.
        allow_leak: go on where the doctor finds a leak; it is noted in the model.
        force: go on where training would be refused; the reasons are noted in the model.
        command: as it was given, for the model's provenance.
    """

    stores: Sequence[Path]
    out: Path
    options: TrainOptions
    validation: float = 0.2
    test: Sequence[Path] = ()
    min_positive_ratio: float = 0.01
    alpha: float = DEFAULT_RATE
    allow_leak: bool = False
    force: bool = False
    command: str = ""


def train_model(run: TrainRun, listener: Listener | None = None) -> Model:
    """Train, or go on with a training that was interrupted, and write the model.

    Raises:
        RefusedError: the data, or what is learnt from them, cannot make a result.
        SalusError: something given cannot be used; nothing is written.
    """
    listener = listener or Silent()
    if (run.out / MODEL).exists():
        raise FormatError(f"{run.out} holds a model; give another --out, or remove it")
    if run.out.exists() and not run.out.is_dir():
        raise FormatError(f"--out {run.out} is a file; give a folder")
    forced: list[str] = []
    data, leaks = _examined(run, listener, forced)
    train, held = (
        data.subset(part) for part in split_by_seed(data, run.validation, run.options.seed)
    )
    digest = data_digest(data)
    checkpoint = Checkpoint(
        run.out / CHECKPOINT,
        {"options": run.options.to_json(), "data": digest, "validation": run.validation},
    )
    try:
        predictor = fit_predictor(
            train,
            held,
            run.options,
            listener=listener,
            checkpoint=checkpoint,
            force=run.force,
            forced=forced,
        )
    except RefusedError:
        # What was refused is not gone on with.
        checkpoint.remove()
        with suppress(OSError):  # not empty
            run.out.rmdir()
        raise
    listener.say("calibrating")
    calibration = choose_thresholds(predictor, held, run.alpha)
    watched = watch(held, predictor.predict(held).probability)
    model = Model(
        predictor,
        calibration,
        Provenance(
            command=run.command,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=run.options.seed,
            versions=_versions(),
            stores=list(data.sources),
            contract_digest=data.contract.digest(),
            data_digest=digest,
            train_episodes=len(train),
            validation_episodes=len(held),
            options=run.options.to_json() | {"validation": run.validation},
            validation={"macro_f1": watched.macro_f1, "macro_ap": watched.macro_ap}
            if predictor.dated
            else {},
            leaks_allowed=leaks,
            forced=forced,
            label_sources=sorted({record.event_source for record in data.records}),
        ),
        Episodes(*(tuple(record.seed for record in part.records) for part in (train, held))),
        run.options.kind,
    )
    save_model(model, run.out)
    checkpoint.remove()
    return load_model(run.out)


def data_digest(data: StepData) -> str:
    """SHA-256 of events, horizons and signals, 16 hexadecimal digits."""
    digest = hashlib.sha256(label_digest(data.ends, data.records, data.contract.horizons).encode())
    digest.update(json.dumps(data.signal_names).encode())
    digest.update(data.signals.tobytes())
    digest.update(data.labels.tobytes())
    digest.update(data.valid.tobytes())
    if data.embedding is not None:
        digest.update(data.embedding.tobytes())
    return digest.hexdigest()[:16]


def _examined(run: TrainRun, listener: Listener, forced: list[str]) -> tuple[StepData, list[str]]:
    """The data and the leaks that were allowed, once nothing speaks against training on it."""
    if missing := [str(path) for path in (*run.stores, *run.test) if not path.exists()]:
        raise FormatError(f"no such store: {', '.join(missing)}")
    listener.say("examining")
    report = examine(list(run.stores), min_positive_ratio=run.min_positive_ratio)
    errors = errors_of(report, dated=True)
    # Without dated failures the labels are rightly empty; anything else is told before reading the
    # stores fails on it in other words.
    if not all(line.startswith(_EMPTY_LABELS) for line in errors):
        refuse(errors, force=run.force, forced=forced)
    data = StepData.read(run.stores, embedding=reads_embedding(run.options.inputs))
    if not len(data):
        raise FormatError(f"{', '.join(map(str, run.stores))}: no episode to train on")
    known = set(forced)
    errors = [line for line in errors_of(report, dated=is_dated(data)) if line not in known]
    refuse(errors, force=run.force, forced=forced)
    if run.test:
        refuse(check_test_seeds(data, StepData.read(run.test)), force=run.force, forced=forced)
    leaks = leaks_of(report, choose_inputs(data.contract, run.options.inputs))
    if leaks and not run.allow_leak:
        raise RefusedError(leaks, "--allow-leak goes on and marks the model")
    return data, leaks


_EMPTY_LABELS = ("positive_ratio", "labels_all_zero", "one_class")


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONS_OF:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
