"""The same figures for TensorBoard: `tensorboard --logdir MODEL/tensorboard`."""

import math
from pathlib import Path
from typing import Final

from torch.utils.tensorboard.writer import SummaryWriter

from salus_predictor.training.listener import EpochReport, Listener

PLACES: Final = ("min", "q25", "median", "q75", "max")


class Board:
    """Writes every epoch as scalars and hands it on."""

    def __init__(self, folder: Path, then: Listener) -> None:
        self._folder, self._then = folder, then
        self._writer: SummaryWriter | None = None

    def epoch(self, report: EpochReport) -> None:
        """After an epoch."""
        self._then.epoch(report)
        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder))
        part = report.part.replace("/", " of ").replace(" ", "_")
        figures = {
            "loss/train": report.loss,
            "loss/outcome": report.outcome_loss,
            "validation/macro_f1": report.macro_f1,
            "validation/macro_ap": report.macro_ap,
        }
        for name, spread in zip(report.types, report.predictions, strict=True):
            for place, value in zip(PLACES, spread, strict=True):
                figures[f"probability_{name}/{place}"] = float(value)
        for tag, value in figures.items():
            if math.isfinite(value):
                self._writer.add_scalar(f"{part}/{tag}", value, report.epoch)
        self._writer.flush()

    def say(self, line: str) -> None:
        """A line for people."""
        self._then.say(line)

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()
