"""Change a folder in place, all of it or nothing.

The changed copy is built beside the folder out of hard links, so it costs directory entries and no
data, and is then exchanged with the original in one system call. A process that is killed leaves
the old folder or the new one, never a mix.
"""

import ctypes
import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def replaced_path(path: Path) -> Path:
    """Where the original lies for a moment on file systems that cannot exchange two folders."""
    return path.with_name(f".{path.name}.replaced")


@contextmanager
def built_beside(path: Path) -> Iterator[Path]:
    """Give a place to build a new folder in; it gets the name `path` if nothing was raised."""
    staging = path.with_name(f".{path.name}.building-{os.getpid()}")
    remove_folder(staging)
    try:
        yield staging
        staging.rename(path)
    finally:
        remove_folder(staging)


def remove_folder(folder: Path) -> None:
    """Delete a folder that zarr may still be writing to; one that is not there is no error.

    zarr writes several files at once; when one fails, those beside it go on for some milliseconds
    and make their folders anew.
    """
    for _ in range(20):
        if not folder.exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


@contextmanager
def changed_in_place(path: Path) -> Iterator[Path]:
    """Give a copy of a folder to change; put it in the folder's place if nothing was raised.

    Files of the copy are hard links to the original: replace or delete them, never write into them.
    zarr replaces. The caller sees to it that nobody else writes to the folder meanwhile.

    Raises:
        OSError: the file system knows no hard links, or is full.
    """
    copy = path.with_name(f".{path.name}.changing")
    shutil.rmtree(copy, ignore_errors=True)
    try:
        shutil.copytree(path, copy, copy_function=os.link)
        yield copy
        exchange(copy, path)
    finally:
        shutil.rmtree(copy, ignore_errors=True)  # by now the original, or the abandoned copy


def exchange(one: Path, other: Path) -> None:
    """Let two folders of one file system change names, in one step where the file system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if libc.renameat2(*arguments) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        raise OSError(code, os.strerror(code), str(one), None, str(other))
    # NFS cannot exchange. Killed between the first two renames, `other` is missing and lies
    # whole under another name; opening it says so.
    aside = replaced_path(other)
    other.rename(aside)
    one.rename(other)
    aside.rename(one)
