"""Writes a model folder."""

import json
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save as save_tensors

from salus_predictor.model.folder import (
    CALIBRATION,
    EPISODES,
    MODEL,
    NETWORK,
    PROJECTION,
    TREES,
    Model,
    digest,
)
from salus_predictor.model.inputs import input_columns
from salus_predictor.model.network import Network
from salus_predictor.model.scaling import Scaling
from salus_predictor.model.schema import ModelFile
from salus_predictor.model.trees import Trees


def save_model(model: Model, folder: Path) -> None:
    """Write a model folder; the old or the new `model.yaml` is there at any time, never a half.

    Files that belong to no model (metrics, reports) are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = _files(model)
    text = _yaml(model, {name: digest(content) for name, content in files.items()})
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        for name, content in {**files, MODEL: text.encode()}.items():
            place = Path(scratch) / name
            place.write_bytes(content)
            with place.open("rb") as written:
                os.fsync(written.fileno())
        for name in (*files, MODEL):
            shutil.move(Path(scratch) / name, folder / name)
    for name in (NETWORK, TREES, PROJECTION):
        if name not in files:
            (folder / name).unlink(missing_ok=True)


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
    projection = model.predictor.projection
    if projection is not None:
        files[PROJECTION] = save_tensors(
            # safetensors takes the bytes as they lie.
            {
                "mean": projection.mean,
                "directions": np.ascontiguousarray(projection.directions),
            }
        )
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
        "format": 2,
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
                strict=predictor.projection is None,
            )
        ],
        "embedding": None
        if predictor.projection is None
        else {"size": predictor.projection.size, "components": predictor.projection.components},
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


def _scaling_entry(scaling: Scaling) -> dict[str, Any]:
    return {"slope": float(scaling.slope), "offset": [float(v) for v in scaling.offset]}


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
