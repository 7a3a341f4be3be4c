"""A model as a folder: `model.yaml`, weights as safetensors or JSON, calibration, episodes used.

Nothing in it can carry code: no pickle, YAML without tags or aliases, and every number is checked
before it is used. `model.yaml` names the SHA-256 of every other file and is written last.
`reading.py` and `writing.py` read and write one.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from salus_data.errors import FormatError
from salus_predictor.calibration.calibrate import Calibration
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.schema import ModelFile, Provenance
from salus_predictor.steps import StepData

MODEL: Final = "model.yaml"
NETWORK: Final = "model.safetensors"
TREES: Final = "trees.json"
PROJECTION: Final = "projection.safetensors"
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


def model_id(described: ModelFile) -> str:
    """Digest of weights and inputs, 16 hexadecimal digits."""
    weights = {
        name: described.files[name]
        for name in (NETWORK, TREES, PROJECTION)
        if name in described.files
    }
    inputs = [entry.model_dump() for entry in described.inputs]
    return digest(json.dumps([weights, inputs], sort_keys=True).encode())[:16]


def calibration_id(described: ModelFile) -> str:
    """Digest of thresholds and scaling, 16 hexadecimal digits."""
    parts = [
        described.calibration.model_dump(),
        described.hazard_scaling.model_dump(),
        described.outcome_scaling.model_dump(),
    ]
    return digest(json.dumps(parts, sort_keys=True).encode())[:16]


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
