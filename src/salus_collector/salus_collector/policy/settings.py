"""How a learnt policy is run; free of torch, so that a node can be told without loading it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from salus_data.errors import PolicyError, UnknownNameError

DTYPES: Final = ("float32", "bfloat16")


@dataclass(frozen=True)
class PolicySettings:
    """How a checkpoint is run.

    Attributes:
        device: of torch: `cpu`, `cuda`, `cuda:1`.
        dtype: of the large parts of the model, one of DTYPES.
        noises: S, samples of each member; two or more for the policy's own spread.
        signals_every: steps between two samplings; 1 samples at every step, larger numbers are
            cheaper and let the signals lag.
        threads: of torch on the CPU; one is fastest for small models, and the only number under
            which two runs on different machines can give the same bytes.
        adapter: `salus_adapter.json` of checkpoints that bring none, or its folder.
        embedding: whether the raw hidden state is given with every decision.
    """

    device: str = "cpu"
    dtype: str = "float32"
    noises: int = 4
    signals_every: int = 4
    threads: int = 1
    adapter: Path | None = None
    embedding: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UnknownNameError("dtype", self.dtype, DTYPES)
        for name in ("noises", "signals_every", "threads"):
            if getattr(self, name) < 1:
                raise PolicyError(f"{name} is {getattr(self, name)}; 1 or more")
