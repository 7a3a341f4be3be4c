"""Memory that a process has used stays with it.

The C library gives a block of more than 128 KiB, such as an image, back to the system when it is
freed, and the next one costs a page fault every 4 KiB: 0.1 ms for an image of 256 x 256, many times
what its copy costs. A node makes such blocks at every step, and a training loop at every window.
"""

import ctypes
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT: Final = 256 << 20
"""Bytes of freed memory that a process keeps for itself."""
LARGEST: Final = 32 << 20
"""Bytes; larger blocks still come from the system each time (the C library's upper limit)."""


def keep_freed_memory() -> bool:
    """Let this process use freed blocks again; False where the C library has no such setting."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    kept = set_option(_TRIM_THRESHOLD, KEPT)
    return bool(set_option(_MMAP_THRESHOLD, LARGEST) and kept)
