"""Reads a model folder; everything in it is checked before it is used."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from salus_data.contract import Contract
from salus_data.errors import FormatError, SalusError
from salus_predictor.calibration.bands import Band
from salus_predictor.calibration.calibrate import Calibration
from salus_predictor.model.folder import (
    CALIBRATION,
    EPISODES,
    MAX_BYTES,
    MODEL,
    NETWORK,
    PROJECTION,
    TREES,
    Episodes,
    Model,
    calibration_id,
    digest,
    model_id,
)
from salus_predictor.model.network import Network
from salus_predictor.model.normalise import Normalisation
from salus_predictor.model.predictor import HazardModel, HazardPredictor
from salus_predictor.model.projection import Projection
from salus_predictor.model.scaling import Scaling
from salus_predictor.model.schema import ModelFile
from salus_predictor.model.trees import Trees


def load_predictor(path: Path | str) -> HazardPredictor:
    """The predictor of a model folder."""
    return load_model(path).predictor


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
    for name, told in described.files.items():
        if name not in (NETWORK, TREES, PROJECTION, CALIBRATION, EPISODES):
            raise FormatError(f"{folder / MODEL}: files names {name!r}, which no model has")
        contents[name] = _read(folder / name)
        if digest(contents[name]) != told:
            raise FormatError(
                f"{folder / name}: SHA-256 {digest(contents[name])[:12]}..., {MODEL} says "
                f"{told[:12]}...: truncated or changed since; copy the folder again"
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
    projection = _projection(described, contents, folder)
    predictor = HazardPredictor(
        name=described.name,
        inputs=inputs,
        contract=contract,
        normalisation=Normalisation(
            np.array([entry.mean for entry in described.inputs]),
            np.array([entry.scale for entry in described.inputs]),
        ).and_whitened(projection.components if projection else 0),
        members=(),
        weights=tuple(entry.weight for entry in described.members),
        hazard_scaling=_scaling(described.hazard_scaling.slope, described.hazard_scaling.offset),
        outcome_scaling=_scaling(described.outcome_scaling.slope, described.outcome_scaling.offset),
        with_time=described.with_time,
        dated=described.dated,
        projection=projection,
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
        model_id(described),
        calibration_id(described),
    )


def _projection(
    described: ModelFile, contents: dict[str, bytes], folder: Path
) -> Projection | None:
    told = described.embedding
    if told is None:
        return None
    try:
        found = Projection.of(_tensors(_content(contents, PROJECTION, folder), PROJECTION))
    except FormatError as error:
        raise FormatError(f"{PROJECTION}: {error}") from error
    if (found.size, found.components) != (told.size, told.components):
        raise FormatError(
            f"embedding is {told.size} in {told.components}, {PROJECTION} has {found.size} in "
            f"{found.components}"
        )
    return found


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
            f"{[float(v) for v in found.alarm()]}"
        )
    return found


def _episodes(content: bytes) -> Episodes:
    try:
        data = json.loads(content)
        return Episodes(*(tuple(int(seed) for seed in data[k]) for k in ("train", "validation")))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{EPISODES}: {type(error).__name__}: {error}") from error


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


def _scaling(slope: float, offset: list[float]) -> Scaling:
    return Scaling(slope, np.array(offset))


def _number(value: float | None) -> float:
    return math.inf if value is None else float(value)
