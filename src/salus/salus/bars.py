"""Progress bars that several commands share; nothing is drawn where there is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn


@contextmanager
def counted(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar over so many of something; yields what is to hear (done, in all)."""
    console = Console(stderr=True)
    with Progress(console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def messages(what: str, console: Console) -> Iterator[Callable[[int], None]]:
    """A count of messages, nobody knows of how many; yields what is to hear how many more."""
    columns = (TextColumn(what + "{task.completed:,.0f} messages"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda more: bar.advance(task, more)
