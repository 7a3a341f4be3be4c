"""The arms of a study on the same seeds, in one process or several; it can go on later."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from salus.closed_loop.rows import ARMS, OFF, RANDOM, SUPERVISED, Row, RowFile
from salus.closed_loop.runner import Runner, one_thread, prepare_worker, run_in_worker
from salus.closed_loop.settings import StudySettings
from salus.closed_loop.sharing import Rows, shared_off, shared_random
from salus.closed_loop.timetable import Pool, Timetable, pool_digest, pool_of
from salus_predictor.online.load import load_watched

FEW = 10
"""Below so many events a share of them says little."""


def run_study(
    settings: StudySettings,
    path: Path,
    *,
    workers: int = 1,
    on_row: Callable[[Row], None] | None = None,
    on_plan: Callable[[int], None] | None = None,
) -> list[Row]:
    """Run what is missing of a study; every row is kept in `path` as soon as it is there.

    Args:
        settings: of the study.
        path: JSON lines.
        workers: processes.
        on_row: called for every new row.
        on_plan: called with the number of rows that were there.

    Returns:
        The rows of all arms, for the indices below `settings.episodes`.

    Raises:
        SalusError: something asked for does not exist or fit, or the file is another study's.
    """
    settings.require_unseen()
    file = RowFile(path, settings.identity())
    wanted = range(settings.episodes)
    keep = {key: row for key, row in file.rows.items() if row.index in wanted}
    pool = pool_of(row for row in keep.values() if row.arm == SUPERVISED)
    whole = sum(row.arm == SUPERVISED for row in keep.values()) == len(wanted)
    digest = pool_digest(pool) if whole else ""
    file.drop([k for k, row in keep.items() if row.arm == RANDOM and row.pool != digest])
    if on_plan is not None:
        on_plan(sum(row.index in wanted for row in file.rows.values()))
    with _running(settings, workers) as run:
        # The random arm draws from what the whole supervised arm did.
        for arm in (SUPERVISED, OFF, RANDOM):
            drawn = pool_of(file.rows[SUPERVISED, i] for i in wanted) if arm == RANDOM else None
            missing = [i for i in wanted if (arm, i) not in file.rows]
            shared = list(_shared(settings, arm, missing, file.rows, drawn))
            todo = sorted(set(missing) - {row.index for row in shared})
            for row in chain(shared, run(arm, todo, drawn)):
                file.add(row)
                if on_row is not None:
                    on_row(row)
    return [file.rows[arm, i] for i in wanted for arm in ARMS]


def _shared(
    settings: StudySettings, arm: str, indices: list[int], rows: Rows, pool: Pool | None
) -> Iterator[Row]:
    """The rows of an arm that those of another one say already."""
    timetable, digest = (None, "") if pool is None else (Timetable(pool), pool_digest(pool))
    for index in indices:
        row = None
        if arm == OFF:
            row = shared_off(rows, index, settings.aftermath)
        elif timetable is not None:
            row = shared_random(rows, index, settings.aftermath, timetable, digest)
        if row is not None:
            yield row


type Run = Callable[[str, list[int], Pool | None], Iterator[Row]]
"""Runs an arm on the seeds with these indices."""


@contextmanager
def _running(settings: StudySettings, workers: int) -> Iterator[Run]:
    """Runs episodes in this process, or in several that start when there is something to do."""
    if workers == 1:
        one_thread()
        runner = Runner(settings)
        try:
            yield lambda arm, todo, pool: (runner.run(arm, index, pool) for index in todo)
        finally:
            runner.close()
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, prepare_worker, (settings,)) as executor:
        try:
            yield partial(_spread, executor, workers)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _spread(
    executor: ProcessPoolExecutor, workers: int, arm: str, todo: list[int], pool: Pool | None
) -> Iterator[Row]:
    """The rows in the order in which they are done; few are asked for ahead, to end soon."""
    waiting: set[Future[Row]] = set()
    jobs = iter(todo)
    while True:
        while len(waiting) < 2 * workers and (job := next(jobs, None)) is not None:
            waiting.add(executor.submit(run_in_worker, arm, job, pool))
        if not waiting:
            return
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def warnings_of(settings: StudySettings, document: dict[str, Any]) -> list[str]:
    """What a reader has to know before the figures."""
    watched = load_watched(settings.model)
    policy = Runner(settings).policy(SUPERVISED)
    lines = []
    if (policy.name, policy.digest) not in watched.policies:
        lines.append(
            f"the model was not calibrated on policy {policy.name} {policy.digest}: by default "
            "(`auto`) the supervisor would only have told what it would do"
        )
    if n := document["untouched_pairs_that_differ"]:
        lines.append(f"{n} pairs without an intervention differ: the pairing does not hold")
    collisions = document["arms"][OFF]["ends"]["collision"]
    if collisions < FEW:
        lines.append(f"only {collisions} collisions without a supervisor: their figures are loose")
    if document["discarded"]:
        lines.append(f"{document['discarded']} seeds are left out, an episode was discarded")
    return lines
