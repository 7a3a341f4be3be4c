"""Two parts of a batch at a time, each in a thread of its own.

Torch shares single operations among threads, which costs more than it gives where they are as small
as here. Whole parts are shared instead. There are two of them on every machine, so that what is
learnt does not depend on its cores.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final, Self

import torch

PARTS: Final = 2


class Halves:
    """A context in which torch's operations have one thread each and `map` has two."""

    def __enter__(self) -> Self:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)
        self._pool = ThreadPoolExecutor(PARTS, "salus-train", torch.set_num_threads, (1,))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._before)

    def map[R](self, work: Callable[..., R], *parts: Iterable[Any]) -> list[R]:
        """What `work` makes of every part, in their order; arguments as of `map`."""
        return list(self._pool.map(work, *parts))
