"""What can be chosen about a training, with the values that won on validation."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, get_args

from salus_data.errors import FormatError, UnknownNameError

Kind = Literal["network", "trees", "average"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)


@dataclass(frozen=True)
class TrainOptions:
    """Of one training.

    Attributes:
        epochs: of each network.
        batch_size: whole episodes that together make so many windows of 10 steps.
        learning_rate: highest of the schedule.
        seed: of everything drawn.
        inputs: a set by name, or signals with commas.
        kind: network, trees, or the average of both.
        networks: how many networks are averaged.
        with_time: elapsed time is an input, too.
        width: of the network's layers; its state has the same.
        dropout: share of activations that are left out while training.
        weight_decay: of AdamW.
        failure_weight: of bins in which a failure happened.
        patience: epochs without a better validation figure after which a network stops.
        rounds: of boosting, at most.
        depth: of a tree.
    """

    epochs: int = 50
    batch_size: int = 256
    learning_rate: float = 0.001
    seed: int = 0
    inputs: str = "portable"
    kind: str = "average"
    networks: int = 1
    with_time: bool = False
    width: int = 64
    dropout: float = 0.2
    weight_decay: float = 0.01
    failure_weight: float = 1.0
    patience: int = 15
    rounds: int = 80
    depth: int = 5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("--kind", self.kind, KINDS)
        for name in ("epochs", "batch_size", "networks", "width", "patience", "rounds", "depth"):
            if getattr(self, name) < 1:
                raise FormatError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if not 0 < self.learning_rate < 1:
            raise FormatError(f"learning rate {self.learning_rate} is not above 0 and below 1")

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
