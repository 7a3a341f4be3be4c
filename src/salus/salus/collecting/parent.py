"""Starts the workers of a collection and shows how far they are."""

import multiprocessing
import queue as queues
import signal
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from salus.collecting.direct import run_direct_worker
from salus.collecting.settings import CollectSettings
from salus_collector.collection import CollectionProgress

REFRESH = 0.2  # [s]
PATIENCE = 20.0
"""Seconds an interrupted worker gets to close its store before it is killed."""
LOG_PERIOD = 15.0
"""Seconds between two lines where there is no terminal."""


class CollectionRun:
    """The workers of one collection; `run` returns when all have ended.

    Attributes:
        first_step: monotonic time of the first observation of any worker [s]; None before.
    """

    def __init__(self, settings: CollectSettings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._progress: dict[int, CollectionProgress] = {}
        self._results: dict[int, tuple[int, str]] = {}
        self._logged = time.monotonic()
        self.first_step: float | None = None

    def run(self) -> int:
        """Collect; returns the exit status and prints every worker's error in one line."""
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        workers = [self._worker(context, w, queue) for w in range(self._settings.workers)]
        # Whoever ends this process with SIGTERM wants the workers ended, too.
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            for process in workers:
                process.start()
            self._show(queue, list(workers))
        except KeyboardInterrupt:
            self._console.print("interrupted; closing the stores (the same command goes on later)")
            started = [process for process in workers if process.pid is not None]
            for process in started:
                if process.is_alive():
                    process.terminate()  # a terminal has sent them SIGINT already, a kill has not
            for process in started:
                process.join(PATIENCE)
                if process.is_alive():
                    process.kill()
            return 130
        finally:
            signal.signal(signal.SIGTERM, before)
        for worker, (_, message) in sorted(self._results.items()):
            if message:
                self._console.print(f"salus: worker {worker}: {message}", style="red", markup=False)
        return max(status for status, _ in self._results.values())

    def _worker(self, context: Any, worker: int, queue: Any) -> BaseProcess:
        own = self._settings
        if own.direct:
            made = context.Process(target=run_direct_worker, args=(worker, own, queue))
        else:
            from salus.collecting.worker import run_worker  # it needs ROS

            arguments = own.ros_arguments(worker)
            made = context.Process(
                target=run_worker,
                args=(worker, own.workers, arguments, queue, bool(own.model), own.bag),
            )
        process: BaseProcess = made
        return process

    def total(self) -> CollectionProgress:
        """The progress of all workers together."""
        parts = list(self._progress.values())
        return CollectionProgress(
            total=self._settings.episodes,
            already=sum(p.already for p in parts),
            outcomes=sum((p.outcomes for p in parts), Counter()),
            discarded=[d for p in parts for d in p.discarded],
            steps=sum(p.steps for p in parts),
            steps_recorded=sum(p.steps_recorded for p in parts),
        )

    def _show(self, queue: Any, workers: list[BaseProcess]) -> None:
        with Progress(
            TextColumn("episodes"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[outcomes]}"),
            TextColumn("{task.fields[rate]:.0f} steps/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        ) as bar:
            task = bar.add_task("", total=self._settings.episodes, outcomes="", rate=0.0)
            started, steps = time.monotonic(), 0
            while len(self._results) < len(workers):
                self._receive(queue, workers)
                total = self.total()
                steps = total.steps
                rate = steps / max(time.monotonic() - started, 1e-9)
                outcomes = " ".join(f"{k} {v}" for k, v in sorted(total.outcomes.items()))
                done = total.already + total.committed
                bar.update(task, completed=done, outcomes=outcomes, rate=rate)
                self._log(total, rate)

    def _receive(self, queue: Any, workers: list[BaseProcess]) -> None:
        try:
            message = queue.get(timeout=REFRESH)
        except queues.Empty:
            for worker, process in enumerate(workers):
                if not process.is_alive() and worker not in self._results:
                    self._results[worker] = (
                        1,
                        f"its process ended with status {process.exitcode}; what it had committed "
                        "is kept, the same command goes on from there",
                    )
            return
        if message[0] == "progress":
            self._progress[message[1]] = message[2]
            if self.first_step is None and message[2].steps:
                self.first_step = time.monotonic()
        else:
            self._results[message[1]] = (message[2], message[3])

    def _log(self, total: CollectionProgress, rate: float) -> None:
        if not self._console.is_terminal and time.monotonic() - self._logged > LOG_PERIOD:
            self._logged = time.monotonic()
            self._console.print(f"{total.line()}, {rate:.0f} steps/s", highlight=False)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
