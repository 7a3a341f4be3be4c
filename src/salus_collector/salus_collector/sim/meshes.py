"""Where the Panda's meshes are: in the installed wheel of gymnasium-robotics, never in ours."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from salus_data.errors import SalusError

PACKAGE: Final = "gymnasium_robotics"
FOLDER: Final = "envs/assets/kitchen_franka/franka_assets/meshes/collision"
NAMES: Final = (*(f"link{i}" for i in range(8)), "hand", "finger")


class MissingMeshError(SalusError, FileNotFoundError):
    """Raised when the package that holds the meshes is not installed or has lost one."""


def mesh_files() -> dict[str, Path]:
    """The collision mesh (STL, metres, in the link's own frame) of every part in NAMES.

    The collision meshes are shown as well: the visual ones have fifty times as many triangles, and
    images are what takes the time (docs/EVENTS.md, "Speed").

    Raises:
        MissingMeshError: the package or one of its files is missing.
    """
    # Found and not imported: the import registers a hundred environments and prints a notice.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingMeshError(
            f"the package {PACKAGE} is not installed; it holds the Panda meshes: "
            "pip install gymnasium-robotics"
        )
    root = Path(next(iter(spec.submodule_search_locations))) / FOLDER
    found = {name: root / f"{name}.stl" for name in NAMES}
    if missing := [str(path) for path in found.values() if not path.is_file()]:
        raise MissingMeshError(f"{PACKAGE} is installed but lacks {', '.join(missing)}")
    return found
