"""How a worker process tells its parent what it does."""

import contextlib
import copy
import sys
from collections.abc import Callable
from multiprocessing.queues import Queue
from typing import Any

from salus_collector.collection import CollectionProgress
from salus_data.errors import SalusError

OnProgress = Callable[[CollectionProgress], None]


def report(worker: int, queue: "Queue[Any]", collect: Callable[[OnProgress], int]) -> None:
    """Collect, and end the process with the exit status.

    Progress goes to the queue as ("progress", worker, copy); the last entry is
    ("done", worker, status, error message).

    Args:
        worker: its number.
        queue: read by the parent.
        collect: told where progress goes; returns the exit status.
    """
    status, message = 1, ""
    try:
        status = collect(lambda progress: queue.put(("progress", worker, copy.deepcopy(progress))))
    except SalusError as error:
        status, message = 2, str(error)
    with contextlib.suppress(KeyboardInterrupt):
        queue.put(("done", worker, status, message))
        queue.close()
        queue.join_thread()
    sys.exit(status)
