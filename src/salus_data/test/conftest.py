"""Fixtures: one sound store for the whole run, and copies of it for tests that break something."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The tests are imported by path, so their helpers have to be found by path, too.
sys.path.insert(0, str(Path(__file__).parent))

from builders import build_store


@pytest.fixture(scope="session")
def sound_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen episodes of every outcome; read only."""
    return build_store(tmp_path_factory.mktemp("stores") / "sound.zarr", episodes=16)


@pytest.fixture
def store_copy(sound_store: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy that a test may change."""

    def copy() -> Path:
        return Path(shutil.copytree(sound_store, tmp_path / "copy.zarr"))

    return copy
