"""Which OpenGL MuJoCo draws with, chosen before MuJoCo is imported."""

import os
from typing import Final

from salus_data.errors import SalusError

PACKAGES: Final = {
    "egl": "libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0",
    "osmesa": "libosmesa6 libopengl0",
    "glfw": "libglfw3",
}
"""What each needs, by the names of Debian's packages."""


class RenderError(SalusError, RuntimeError):
    """Raised when no image can be rendered here; says what is missing."""

    def __init__(self, backend: str, cause: object) -> None:
        super().__init__(
            f"cannot render with MUJOCO_GL={backend!r}: {cause}. It needs, as Debian calls them: "
            f"{PACKAGES.get(backend, 'a working OpenGL')}. "
            "MUJOCO_GL takes egl (no display), osmesa (software) or glfw (a display)"
        )


def load_mujoco() -> None:
    """Choose EGL unless the user chose otherwise, and import MuJoCo.

    Raises:
        RenderError: the backend's libraries are missing. There is no fall-back to another one.
    """
    # Mesa's software renderer starts a thread for every core, which cost more than they gain at
    # these image sizes and stand in the way of a second worker: it draws in the calling thread.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    backend = os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco  # noqa: F401 - the choice has to come first
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        # PyOpenGL says a missing library with any of these.
        raise RenderError(backend, error) from error
