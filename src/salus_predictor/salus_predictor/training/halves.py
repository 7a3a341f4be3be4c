"""Two parts of a batch at a time, each in a thread of its own.

Torch shares single operations among threads, which costs more than it gives where they are as small
as here. Whole parts are shared instead. There are two of them on every machine, so that what is
learnt does not depend on its cores.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import torch

PARTS: Final = 2

type Each = Callable[..., Iterator[Any]]
"""Calls a function for every item, as `map` does."""


@contextmanager
def halves() -> Iterator[Each]:
    """A `map` with two threads; meanwhile torch's operations have one each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(PARTS, "salus-train", torch.set_num_threads, (1,)) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(before)
