"""One writer a store: an advisory lock that dies with its process."""

import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from salus_data.errors import SalusError


class StoreLockedError(SalusError, BlockingIOError):
    """Raised when another writer holds a store; the message says who and since when."""


class WriterLock:
    """An exclusive lock on a file, held until `release` or the end of the process.

    The file stays behind and says nothing by its existence: the kernel's lock on it does. `flock`
    rather than a POSIX lock, because two writers inside one process must exclude each other too.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 4096, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise StoreLockedError(
                f"{file.parent}: another writer holds this store ({holder or 'unnamed'}); "
                "wait for it to end, or write to another store"
            ) from error
        except OSError:
            os.close(self._descriptor)
            raise
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, holder.encode(), 0)

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
