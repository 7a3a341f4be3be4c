"""A model as a folder: `model.yaml`, weights as safetensors or JSON, calibration, episodes used.

Nothing in it can carry code: no pickle, YAML without tags or aliases, and every number is checked
before it is used. `model.yaml` names the SHA-256 of every other file and is written last.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from salus_data.contract import Contract
from salus_data.errors import FormatError, SalusError
from salus_predictor.calibration.bands import Band
from salus_predictor.calibration.calibrate import Calibration
from salus_predictor.model.inputs import input_columns
from salus_predictor.model.network import Network
from salus_predictor.model.normalise import Normalisation
from salus_predictor.model.predictor import HazardModel, HazardPredictor
from salus_predictor.model.scaling import Scaling
from salus_predictor.model.schema import ModelFile, Provenance
from salus_predictor.model.trees import Trees
from salus_predictor.steps import StepData

MODEL: Final = "model.yaml"
NETWORK: Final = "model.safetensors"
TREES: Final = "trees.json"
CALIBRATION: Final = "calibration.safetensors"
EPISODES: Final = "episodes.json"

MAX_BYTES: Final = 64 * 2**20
"""No file of a model is larger."""


@dataclass(frozen=True)
class Episodes:
    """Seeds of the episodes that a model has seen."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """A predictor with all that belongs to it.

    Attributes:
        predictor: forecasts.
        calibration: its thresholds.
        provenance: where it comes from.
        episodes: that it has seen.
        kind: network, trees or average.
        model_id: digest of weights, normalisation and inputs, 16 hexadecimal digits.
        calibration_id: digest of the calibration.
    """

    predictor: HazardPredictor
    calibration: Calibration
    provenance: Provenance
    episodes: Episodes
    kind: str
    model_id: str = ""
    calibration_id: str = ""

    def require_unseen(self, data: StepData) -> None:
        """Check that the model has seen none of the episodes.

        Raises:
            FormatError: it was trained or calibrated on the seed of one of them.
        """
        self._refuse_seeds(data, {*self.episodes.train, *self.episodes.validation})

    def require_untrained(self, data: StepData) -> None:
        """Check that the model was not trained on any of the episodes; it may have validated.

        Raises:
            FormatError: it was trained on the seed of one of them.
        """
        self._refuse_seeds(data, set(self.episodes.train))

    def _refuse_seeds(self, data: StepData, seen: set[int]) -> None:
        if known := [record.id for record in data.records if record.seed in seen]:
            raise FormatError(
                f"{len(known)} of {len(data)} episodes ({known[0]}, ...) have seeds that the model "
                "was fitted to: give it others"
            )


def load_predictor(path: Path | str) -> HazardPredictor:
    """The predictor of a model folder."""
    return load_model(path).predictor


def save_model(model: Model, folder: Path) -> None:
    """Write a model folder; the old or the new `model.yaml` is there at any time, never a half.

    Files that belong to no model (metrics, reports) are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = _files(model)
    text = _yaml(model, {name: _digest(content) for name, content in files.items()})
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        for name, content in {**files, MODEL: text.encode()}.items():
            place = Path(scratch) / name
            place.write_bytes(content)
            with place.open("rb") as written:
                os.fsync(written.fileno())
        for name in (*files, MODEL):
            shutil.move(Path(scratch) / name, folder / name)
    for name in (NETWORK, TREES):
        if name not in files:
            (folder / name).unlink(missing_ok=True)


def load_model(path: Path | str) -> Model:
    """Read a model folder.

    Raises:
        FormatError: a file is missing, truncated, changed, or says what cannot be.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FormatError(f"{folder}: no such model folder")
    text = _read(folder / MODEL)
    described = parse_model_file(text, folder / MODEL)
    contents = {}
    for name, digest in described.files.items():
        if name not in (NETWORK, TREES, CALIBRATION, EPISODES):
            raise FormatError(f"{folder / MODEL}: files names {name!r}, which no model has")
        contents[name] = _read(folder / name)
        if _digest(contents[name]) != digest:
            raise FormatError(
                f"{folder / name}: SHA-256 {_digest(contents[name])[:12]}..., {MODEL} says "
                f"{digest[:12]}...: truncated or changed since; copy the folder again"
            )
    try:
        return _assemble(described, contents, folder)
    except SalusError as error:
        raise FormatError(f"{folder}: {error}") from error


def parse_model_file(text: bytes, path: Path) -> ModelFile:
    """Check the text of a `model.yaml`.

    Raises:
        FormatError: names the file, the field and what is wrong.
    """
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            # Nested aliases blow up a few lines into gigabytes.
            if isinstance(event, yaml.AliasEvent):
                raise FormatError(f"{path}: has YAML aliases, which no model has")
        return ModelFile.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise FormatError(f"{path}: {place}: {first['msg']}") from error


def _assemble(described: ModelFile, contents: dict[str, bytes], folder: Path) -> Model:
    contract = Contract.from_json(described.contract)
    inputs = tuple(entry.name for entry in described.inputs)
    _check_agreement(described, contract, inputs)
    horizons, types = len(contract.horizons), len(contract.failure_types)
    predictor = HazardPredictor(
        name=described.name,
        inputs=inputs,
        contract=contract,
        normalisation=Normalisation(
            np.array([entry.mean for entry in described.inputs]),
            np.array([entry.scale for entry in described.inputs]),
        ),
        members=(),
        weights=tuple(entry.weight for entry in described.members),
        hazard_scaling=_scaling(described.hazard_scaling.slope, described.hazard_scaling.offset),
        outcome_scaling=_scaling(described.outcome_scaling.slope, described.outcome_scaling.offset),
        with_time=described.with_time,
        dated=described.dated,
    )
    if len(described.hazard_scaling.offset) != types + 2:
        raise FormatError(f"hazard_scaling.offset needs {types + 2} numbers")
    if len(described.outcome_scaling.offset) != types + 1:
        raise FormatError(f"outcome_scaling.offset needs {types + 1} numbers")
    if abs(sum(predictor.weights) - 1) > 1e-6:
        raise FormatError(f"the members' weights sum to {sum(predictor.weights)}, not 1")
    members: list[HazardModel] = []
    for entry in described.members:
        content = _content(contents, entry.file, folder)
        if entry.kind == "trees":
            members.append(Trees.from_json(content, horizons, types, predictor.n_features))
        else:
            own = {
                name.removeprefix(entry.prefix): value
                for name, value in _tensors(content, entry.file).items()
                if name.startswith(entry.prefix)
            }
            members.append(Network.of(own, horizons, types, predictor.n_features))
    return Model(
        replace(predictor, members=tuple(members)),
        _calibration(described, _content(contents, CALIBRATION, folder), horizons, types),
        described.provenance,
        _episodes(_content(contents, EPISODES, folder)),
        described.kind,
        _model_id(described),
        _calibration_id(described),
    )


def _check_agreement(described: ModelFile, contract: Contract, inputs: Sequence[str]) -> None:
    """What `model.yaml` says twice must be the same."""
    for field, told, meant in (
        ("step_period_s", described.step_period_s, contract.step_period),
        ("horizons_steps", described.horizons_steps, list(contract.horizons)),
        ("failure_types", described.failure_types, list(contract.failure_types)),
    ):
        if told != meant:
            raise FormatError(f"{field} is {told}, its contract says {meant}")
    seconds = [h * contract.step_period for h in contract.horizons]
    if not np.allclose(described.horizons_s, seconds, atol=1e-6, rtol=0):
        raise FormatError(f"horizons_s is {described.horizons_s}, the steps make {seconds}")
    units = {column.name: column.unit for column in contract.signals}
    for entry in described.inputs:
        if units.get(entry.name) != entry.unit:
            raise FormatError(
                f"input {entry.name} in {entry.unit!r} is not a signal of the model's contract; "
                f"it has {', '.join(units)}"
            )
    if len(set(inputs)) < len(inputs):
        raise FormatError("an input is named twice")


def _calibration(described: ModelFile, content: bytes, horizons: int, types: int) -> Calibration:
    told = described.calibration
    arrays = _tensors(content, CALIBRATION)
    if set(arrays) != {"scores", "centre", "spread", "excess"}:
        raise FormatError(f"{CALIBRATION} holds {sorted(arrays)}")
    f1 = np.array([[_number(v) for v in row] for row in told.f1], np.float64)
    wide = all(a.ndim == 2 and a.shape[1] == types + 1 for a in arrays.values())
    if not wide or f1.shape != (horizons, types) or len(told.alarm) != types:
        raise FormatError(f"the calibration is not one of {horizons} horizons and {types} types")
    if len(arrays["centre"]) < 1 or arrays["centre"].shape != arrays["spread"].shape:
        raise FormatError(f"{CALIBRATION} has a band without steps")
    if not all(np.isfinite(a).all() for a in arrays.values()) or (arrays["spread"] <= 0).any():
        raise FormatError(f"{CALIBRATION} has values that cannot be")
    band = Band(*(arrays[name].astype(np.float64) for name in ("centre", "spread", "excess")))
    found = Calibration(
        f1,
        arrays["scores"].astype(np.float64),
        band,
        told.alpha,
        tuple(told.policies),
        told.episodes,
        tuple(told.sources),
    )
    stated = np.array([_number(v) for v in told.alarm])
    if not np.allclose(found.alarm(), stated, rtol=1e-6, atol=1e-9):
        raise FormatError(
            f"calibration.alarm is {told.alarm}, the scores of {CALIBRATION} make "
            f"{[_plain(v) for v in found.alarm()]}"
        )
    return found


def _episodes(content: bytes) -> Episodes:
    try:
        data = json.loads(content)
        return Episodes(*(tuple(int(seed) for seed in data[k]) for k in ("train", "validation")))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{EPISODES}: {type(error).__name__}: {error}") from error


def _files(model: Model) -> dict[str, bytes]:
    """Every file but `model.yaml`."""
    networks, files = {}, {}
    for number, member in enumerate(model.predictor.members):
        if isinstance(member, Network):
            for name, value in member.tensors.items():
                networks[f"{number}.{name}"] = value.astype(np.float32)
        elif isinstance(member, Trees):
            files[TREES] = member.to_json()
    if networks:
        files[NETWORK] = save_tensors(networks)
    band = model.calibration.band
    files[CALIBRATION] = save_tensors(
        {
            "scores": model.calibration.scores,
            "centre": band.centre,
            "spread": band.spread,
            "excess": band.excess,
        }
    )
    seeds = {"train": model.episodes.train, "validation": model.episodes.validation}
    files[EPISODES] = json.dumps(seeds).encode()
    return files


def _yaml(model: Model, digests: dict[str, str]) -> str:
    predictor, calibration = model.predictor, model.calibration
    contract = predictor.contract
    data = {
        "format": 1,
        "kind": model.kind,
        "name": predictor.name,
        "step_period_s": contract.step_period,
        "horizons_steps": list(contract.horizons),
        "horizons_s": [round(h * contract.step_period, 6) for h in contract.horizons],
        "failure_types": list(contract.failure_types),
        "inputs": [
            {"name": c.name, "unit": c.unit, "mean": float(mean), "scale": float(scale)}
            for c, mean, scale in zip(
                input_columns(contract, predictor.inputs),
                predictor.normalisation.mean,
                predictor.normalisation.scale,
                strict=True,
            )
        ],
        "with_time": predictor.with_time,
        "dated": predictor.dated,
        "members": [
            {
                "kind": "network" if isinstance(member, Network) else "trees",
                "file": NETWORK if isinstance(member, Network) else TREES,
                "prefix": f"{number}." if isinstance(member, Network) else "",
                "weight": weight,
            }
            for number, (member, weight) in enumerate(
                zip(predictor.members, predictor.weights, strict=True)
            )
        ],
        "hazard_scaling": _scaling_entry(predictor.hazard_scaling),
        "outcome_scaling": _scaling_entry(predictor.outcome_scaling),
        "calibration": {
            "alpha": calibration.alpha,
            "alarm": [_plain(v) for v in calibration.alarm()],
            "alarm_any": _plain(calibration.alarm_any()),
            "f1": [[_plain(v) for v in row] for row in calibration.f1],
            "policies": [list(policy) for policy in calibration.policies],
            "episodes": calibration.episodes,
            "successes": len(calibration.scores),
            "sources": list(calibration.sources),
        },
        "provenance": model.provenance.model_dump(),
        "contract": json.loads(json.dumps(contract.to_json())),
        "files": digests,
    }
    ModelFile.model_validate(data)
    return yaml.dump(data, Dumper=_NoAliases, sort_keys=False, allow_unicode=True)


class _NoAliases(yaml.SafeDumper):
    """Writes the same list twice rather than a reference to it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        del data
        return True


def _model_id(described: ModelFile) -> str:
    weights = {name: described.files[name] for name in (NETWORK, TREES) if name in described.files}
    inputs = [entry.model_dump() for entry in described.inputs]
    return _digest(json.dumps([weights, inputs], sort_keys=True).encode())[:16]


def _calibration_id(described: ModelFile) -> str:
    parts = [
        described.calibration.model_dump(),
        described.hazard_scaling.model_dump(),
        described.outcome_scaling.model_dump(),
    ]
    return _digest(json.dumps(parts, sort_keys=True).encode())[:16]


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{path}: {size} bytes; a model's file has at most {MAX_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}") from error


def _content(contents: dict[str, bytes], name: str, folder: Path) -> bytes:
    if name not in contents:
        raise FormatError(f"{folder / MODEL}: files lacks {name}")
    return contents[name]


def _tensors(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    try:
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{name}: not safetensors: {error}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _scaling(slope: float, offset: list[float]) -> Scaling:
    return Scaling(slope, np.array(offset))


def _scaling_entry(scaling: Scaling) -> dict[str, Any]:
    return {"slope": float(scaling.slope), "offset": [float(v) for v in scaling.offset]}


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.inf if value is None else float(value)
