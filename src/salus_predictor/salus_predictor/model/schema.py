"""What `model.yaml` holds, checked field by field."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class Strict(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputEntry(Strict):
    """One signal the model reads: its unit, and how it is normalised."""

    name: str
    unit: str
    mean: FiniteFloat
    scale: FiniteFloat = Field(gt=0)


class EmbeddingEntry(Strict):
    """The policy's hidden state: its width, and how many components of it are read."""

    size: int = Field(gt=0)
    components: int = Field(gt=0)


class MemberEntry(Strict):
    """One hazard model, where it lies and its weight in the average."""

    kind: Literal["network", "trees"]
    file: Literal["model.safetensors", "trees.json"]
    prefix: str = ""
    weight: FiniteFloat = Field(gt=0, le=1)


class ScalingEntry(Strict):
    """Scaled logits are slope * logits + offset."""

    slope: FiniteFloat = Field(gt=0)
    offset: list[FiniteFloat]


class CalibrationEntry(Strict):
    """Thresholds; null stands for infinite."""

    alpha: FiniteFloat = Field(gt=0, lt=1)
    alarm: list[FiniteFloat | None]
    alarm_any: FiniteFloat | None
    f1: list[list[FiniteFloat | None]]
    policies: list[tuple[str, str]]
    episodes: int = Field(ge=0)
    successes: int = Field(ge=0)
    sources: list[str]


class Provenance(Strict):
    """Where a model comes from."""

    command: str = ""
    created: str = ""
    seed: int = 0
    versions: dict[str, str] = {}
    stores: list[str] = []
    contract_digest: str = ""
    data_digest: str = ""
    train_episodes: int = 0
    validation_episodes: int = 0
    options: dict[str, Any] = {}
    validation: dict[str, float | None] = {}
    leaks_allowed: list[str] = []
    forced: list[str] = []
    label_sources: list[str] = []


class ModelFile(Strict):
    """The whole of `model.yaml`."""

    format: Literal[2]
    kind: Literal["network", "trees", "average"]
    name: str
    step_period_s: FiniteFloat = Field(gt=0)
    horizons_steps: list[int] = Field(min_length=1)
    horizons_s: list[FiniteFloat]
    failure_types: list[str] = Field(min_length=1)
    inputs: list[InputEntry] = Field(min_length=1)
    embedding: EmbeddingEntry | None = None
    with_time: bool
    dated: bool
    members: list[MemberEntry] = Field(min_length=1)
    hazard_scaling: ScalingEntry
    outcome_scaling: ScalingEntry
    calibration: CalibrationEntry
    provenance: Provenance
    contract: dict[str, Any]
    files: dict[str, str]
