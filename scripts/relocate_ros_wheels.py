"""Make the CMake files of the ROS wheels point at this machine.

The wheels carry the include folders of the machine they were built on. Each file is replaced, not
edited in place: uv links the files of the virtual environment to its cache.
"""

import sys
import sysconfig
from pathlib import Path

import numpy as np

BUILT = "/opt/python/cp312-cp312"
REPLACEMENTS = {
    f"{BUILT}/include/python3.12": sysconfig.get_paths()["include"],
    f"{BUILT}/lib/python3.12/site-packages/numpy/_core/include": np.get_include(),
}


def main() -> None:
    """Rewrite every CMake file below the environment's share folder that names the old paths."""
    for path in (Path(sys.prefix) / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        new = text
        for old, here in REPLACEMENTS.items():
            new = new.replace(old, here)
        if new != text:
            replacement = path.with_suffix(".cmake.new")
            replacement.write_text(new, encoding="utf-8")
            replacement.replace(path)


if __name__ == "__main__":
    main()
