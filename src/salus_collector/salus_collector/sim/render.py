"""Camera images: one renderer a process and thread, writing into the caller's buffer."""

import atexit
import importlib
import os
import sys
import threading
import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from salus_collector.sim.backend import PACKAGES, RenderError

Image = NDArray[np.uint8]


class ImagePool:
    """Hands out image buffers, and again those that nobody refers to any more.

    Memory that is new to the process costs a page fault every 4 KiB: 0.3 ms for a pair of images.
    """

    def __init__(self, size: int) -> None:
        self._shape = (size, size, 3)
        self._images: list[Image] = []

    def take(self) -> Image:
        """An array (size, size, 3) uint8 with any content, that no one else uses.

        An image is in use as long as it, or any view of it, is referred to.
        """
        for image in self._images:
            # Three references: the list, the loop's variable and getrefcount's argument.
            if sys.getrefcount(image) == 3:
                return image
        image = np.empty(self._shape, np.uint8)
        self._images.append(image)
        return image


class CameraRenderer:
    """Renders square images of one model; to be used by the thread that made it."""

    def __init__(self, model: Any, size: int) -> None:
        """Set up off-screen rendering of `size` x `size` pixels.

        Raises:
            RenderError: OpenGL cannot be set up. There is no fall-back to another backend: a user
                chooses one with MUJOCO_GL.
        """
        backend = os.environ.get("MUJOCO_GL", "").lower()
        try:
            # Where a library is missing mujoco goes on without its renderer; this says why.
            context = importlib.import_module("mujoco.rendering.classic.gl_context")
            loaded = context.GLContext.__module__.rpartition(".")[2]
        except Exception as error:
            raise RenderError(backend, error) from error
        if backend in PACKAGES and loaded != backend:
            raise RenderError(
                backend,
                f"mujoco was imported before that was set, and took {loaded!r}; "
                "set it in the environment, or import salus_collector.sim first",
            )
        try:
            self._renderer = mujoco.Renderer(model, size, size)
        except Exception as error:
            raise RenderError(backend, error) from error
        # At exit the interpreter takes OpenGL away before it collects the renderer. The first
        # context registers the end of EGL, and exit handlers run last in, first out: so this one
        # is registered here, as that of `weakref` may be older.
        self._finalizer = weakref.finalize(self, self._renderer.close)
        self._finalizer.atexit = False
        atexit.register(self._finalizer)
        self._option = mujoco.MjvOption()
        self._option.sitegroup[:] = 0  # the gripper's site would hang in the pictures
        self._pool = ImagePool(size)
        self._thread = threading.get_ident()

    def render(self, data: Any, camera: str, out: Image | None = None) -> Image:
        """Render what `camera` sees.

        Args:
            data: mujoco.MjData with poses up to date.
            camera: its name.
            out: (size, size, 3) uint8 to write into; one that nobody refers to if None.

        Returns:
            `out`, rows from the top. It keeps its values as long as it is referred to.

        Raises:
            RenderError: another thread made this renderer; an OpenGL context belongs to one.
        """
        if threading.get_ident() != self._thread:
            raise RenderError(
                os.environ.get("MUJOCO_GL", ""),
                "this renderer belongs to another thread; each makes its own",
            )
        image = self._pool.take() if out is None else out
        self._renderer.update_scene(data, camera, self._option)
        self._renderer.render(out=image)
        return image

    def close(self) -> None:
        """Free the OpenGL context; a second call does nothing."""
        self._finalizer()
