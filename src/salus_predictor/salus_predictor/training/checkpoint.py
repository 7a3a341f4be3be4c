"""Where a training stands, epoch after epoch, so that an interrupted one goes on."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from salus_data.errors import FormatError

if TYPE_CHECKING:
    from salus_predictor.training.fit_network import NetworkFit


class Checkpoint:
    """A folder with the state of every network.

    It belongs to one set of options and data: others are refused, never mixed.
    """

    def __init__(self, folder: Path, belongs_to: dict[str, Any]) -> None:
        """Begin, or go on with what is there.

        Raises:
            FormatError: the folder belongs to a training with other options or data.
        """
        self._folder = folder
        told = folder / "training.json"
        if told.exists():
            try:
                before = json.loads(told.read_text(encoding="utf-8"))
            except ValueError as error:
                raise FormatError(f"{told}: {error}; remove {folder} to start anew") from error
            changed = [k for k in belongs_to if before.get(k) != belongs_to[k]]
            if changed:
                raise FormatError(
                    f"{folder} holds a training with another {', '.join(changed)}; give the same "
                    "options to go on, or remove that folder to start anew"
                )
            return
        folder.mkdir(parents=True, exist_ok=True)
        _replace(told, json.dumps(belongs_to).encode())

    def restore(self, fit: "NetworkFit", number: int) -> None:
        """Put a fit where it stood; one that never began stays as it is.

        Raises:
            FormatError: the state cannot be read.
        """
        from salus_predictor.training.fit_network import Progress

        path = self._folder / f"network{number}.state"
        if not path.exists():
            return
        content = path.read_bytes()
        try:
            length = int.from_bytes(content[:8], "little")
            progress = Progress(**json.loads(content[8 : 8 + length]))
            fit.restore(load(content[8 + length :]), progress)
        except (ValueError, TypeError, KeyError, SafetensorError) as error:
            raise FormatError(f"{path}: {error}; remove {self._folder} to start anew") from error

    def keep(self, fit: "NetworkFit", number: int) -> None:
        """Note where a fit stands; progress and tensors in one file, so that they agree."""
        progress = json.dumps(asdict(fit.progress)).encode()
        tensors = {name: value.detach().clone() for name, value in fit.tensors().items()}
        content = len(progress).to_bytes(8, "little") + progress + save(tensors)
        _replace(self._folder / f"network{number}.state", content)

    def remove(self) -> None:
        """The training is over."""
        shutil.rmtree(self._folder)


def _replace(path: Path, content: bytes) -> None:
    scratch = path.with_name(path.name + ".new")
    scratch.write_bytes(content)
    scratch.replace(path)
