"""The live screen of `salus train`."""

import math
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from salus_predictor.training.board import Board
from salus_predictor.training.listener import EpochReport, Silent


class TrainingScreen:
    """Shows loss, macro F1, AP and the distribution of predictions; a `Listener`.

    Without a terminal it prints one line for every fifth epoch.
    """

    def __init__(self, console: Console, out: Path) -> None:
        self._console = console
        self._board = Board(out / "tensorboard", Silent())
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._live = Live(self._progress, console=console, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._board.close()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def say(self, line: str) -> None:
        """A line for people."""
        self._progress.update(self._task, description=line, total=None)
        if not self._console.is_terminal:
            self._console.print(line, highlight=False, markup=False)

    def epoch(self, report: EpochReport) -> None:
        """After an epoch."""
        self._board.epoch(report)
        self._progress.update(
            self._task, description=report.part, completed=report.epoch, total=report.epochs
        )
        if self._console.is_terminal:
            self._live.update(Group(self._progress, _table(report)))
        elif report.epoch % 5 == 0 or report.epoch == report.epochs:
            self._console.print(
                f"{report.part} epoch {report.epoch}/{report.epochs}: loss {report.loss:.4f}, "
                f"macro F1 {report.macro_f1:.3f}, AP {report.macro_ap:.3f}",
                highlight=False,
            )


def _table(report: EpochReport) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("loss", "macro F1", "macro AP", "outcome loss"):
        table.add_column(name, justify="right")
    figures = (report.loss, report.macro_f1, report.macro_ap, report.outcome_loss)
    table.add_row(*("-" if math.isnan(v) else f"{v:.4f}" for v in figures))
    spread = Table(box=None, padding=(0, 2), title="probabilities within the longest horizon")
    for name in ("type", "min", "25 %", "median", "75 %", "max"):
        spread.add_column(name, justify="right")
    for name, row in zip(report.types, report.predictions, strict=True):
        spread.add_row(name, *(f"{v:.3f}" for v in row))
    outer = Table.grid()
    outer.add_row(table)
    outer.add_row(spread)
    return outer
