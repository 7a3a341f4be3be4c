"""Reads the model that a node is to run, by the kind that its folder names.

A kind is a function `load(folder: Path) -> WatchedModel`, registered in the entry point group
`salus.models` under the `kind` of its `model.yaml`.
"""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from salus_data.errors import FormatError, UnknownNameError
from salus_data.yaml_file import read_yaml
from salus_predictor.online.watched import WatchedModel

GROUP: Final = "salus.models"
SHIPPED: Final = "shipped"


def model_folder(path: str) -> Path:
    """The folder that a model's name stands for; `shipped` is the one in the package."""
    return Path(__file__).parents[1] / SHIPPED if path == SHIPPED else Path(path)


def load_watched(path: str) -> WatchedModel:
    """The model of a folder, with its calibration; `shipped` is the one in the package.

    Raises:
        FormatError: it is no model folder, or there is no shipped model in this installation.
        UnknownNameError: its kind has no loader here; lists those that have.
    """
    folder = model_folder(path)
    described = folder / "model.yaml"
    if not described.is_file():
        hint = "this installation ships no model" if path == SHIPPED else "give a model's folder"
        raise FormatError(f"{described}: no such file; {hint}")
    data = read_yaml(described)
    kind = data.get("kind") if isinstance(data, dict) else None
    loaders = {entry.name: entry for entry in entry_points(group=GROUP)}
    if kind not in loaders:
        raise UnknownNameError(f"model kind in {described}", kind, sorted(loaders) or ["none"])
    model: WatchedModel = loaders[kind].load()(folder)
    return model
