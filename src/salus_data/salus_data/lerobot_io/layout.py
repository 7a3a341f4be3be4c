"""How a store's arrays are named in a LeRobotDataset, and what lies beside them."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError
from salus_data.schema import IMAGE_PREFIX

Images = Literal["image", "video", "none"]
IMAGE_KINDS: Final = ("image", "video", "none")

REPOSITORY: Final = "salus/episodes"
"""Name inside the dataset; nothing is uploaded under it."""
NOTES: Final = "meta/salus.json"
"""Contract and records: what a LeRobotDataset has no place for."""
SCHEMA_VERSION: Final = 1
PREFIX: Final = "salus."
"""Before the name of every array that is carried with its exact type."""

FEATURES: Final = {"state": "observation.state", "action": "action"}
"""What LeRobot's policies read, in the float32 that they expect; the exact arrays go beside."""


@dataclass(frozen=True)
class Notes:
    """What `meta/salus.json` says.

    Attributes:
        contract: of the stores.
        records: of the episodes, in their order.
        images: how the cameras were written.
        exported_from: paths of the stores, with their provenance.
    """

    contract: Contract
    records: tuple[EpisodeRecord, ...]
    images: Images
    exported_from: Sequence[Any]

    def write(self, folder: Path) -> None:
        """Write it into a dataset."""
        data = {
            "schema_version": SCHEMA_VERSION,
            "contract": self.contract.to_json(),
            "records": [record.to_json() for record in self.records],
            "images": self.images,
            "exported_from": self.exported_from,
        }
        (folder / NOTES).write_text(json.dumps(data), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Notes":
        """Read it out of a dataset.

        Raises:
            FormatError: it is missing, so the dataset is not SALUS's, or cannot be understood.
        """
        path = folder / NOTES
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            found = (folder / "meta/info.json").is_file()
            raise FormatError(
                f"{path}: missing, so this is no dataset that `salus export-lerobot` wrote"
                if found
                else f"{folder}: not a LeRobotDataset (no meta/info.json)"
            ) from None
        except (OSError, ValueError) as error:
            raise FormatError(f"{path}: cannot be read: {error}") from error
        if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
            version = data.get("schema_version") if isinstance(data, dict) else None
            raise FormatError(
                f"{path}: schema_version is {version!r}; this version of SALUS reads "
                f"{SCHEMA_VERSION}"
            )
        try:
            return cls(
                Contract.from_json(data["contract"]),
                tuple(EpisodeRecord.from_json(record) for record in data["records"]),
                data["images"],
                data["exported_from"],
            )
        except (KeyError, TypeError) as error:
            raise FormatError(f"{path}: lacks {error}") from error


def feature(values: NDArray[Any], names: Sequence[str] | None = None) -> dict[str, Any]:
    """LeRobot's description of an array (T, ...); rows of several axes are laid flat."""
    size = int(np.prod(values.shape[1:], dtype=np.int64))
    return {
        "dtype": str(values.dtype),
        "shape": (size,),
        "names": list(names) if names and len(names) == size else None,
    }


def image_feature(kind: Images, shape: tuple[int, ...]) -> dict[str, Any]:
    """LeRobot's description of a camera with frames (H, W, 3)."""
    return {"dtype": kind, "shape": shape, "names": ["height", "width", "channels"]}


def camera_key(array: str) -> str:
    """The feature of an image array: `observation.images.CAMERA`."""
    return f"observation.images.{array.removeprefix(IMAGE_PREFIX)}"


def column_names(contract: Contract) -> Mapping[str, Sequence[str]]:
    """Names of the last axis of the arrays that have any."""
    signals = [column.name for column in contract.signals]
    cells = [f"{kind}@{h}" for h in contract.horizons for kind in contract.failure_types]
    return {
        "state": [column.name for column in contract.state],
        "perceived": [column.name for column in contract.perceived],
        "action": list(contract.action_space.names),
        "action_proposed": list(contract.action_space.names),
        "signals": signals,
        "signal_validity": signals,
        "horizon_labels": cells,
        "label_valid": cells,
    }


def offline() -> None:
    """Keep LeRobot from asking a hub; to be called before it is imported."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")


def require_lerobot() -> None:
    """Check that LeRobot with its dataset extra is there.

    Raises:
        FormatError: it is not; says what to install.
    """
    offline()
    # Without system-wide FFmpeg it tells of torchcodec at length, and then decodes with PyAV.
    logging.getLogger("lerobot.utils.import_utils").setLevel(logging.ERROR)
    try:
        import datasets
        import lerobot.datasets.lerobot_dataset  # noqa: F401

        datasets.disable_progress_bars()
    except ImportError as error:
        raise FormatError(
            f"LeRobot's datasets are not installed ({error}); pip install 'lerobot[dataset]'"
        ) from error
