"""ROS domains for runs that must not meet: tests and benchmarks on one machine."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from salus_data.errors import SalusError

FIRST: Final = 30
LAST: Final = 101
"""Domains up to this one keep clear of the ephemeral ports of Linux."""
BLOCK: Final = 4
"""Domains that one run gets, so that it can start workers in the ones beside its own."""


@contextmanager
def claimed_domain() -> Iterator[int]:
    """A ROS domain that no other holder of a claim has, and the three after it.

    The claim is a lock on a file, so that it ends with the process, however that ends.

    Raises:
        SalusError: all are taken.
    """
    starts = list(range(FIRST, LAST - BLOCK + 2, BLOCK))
    shift = os.getpid() % len(starts)
    for domain in starts[shift:] + starts[:shift]:
        path = Path(tempfile.gettempdir()) / f"salus-domain-{domain}.lock"
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise SalusError(f"no free ROS domain from {FIRST} to {LAST}; other tests or benchmarks run")
