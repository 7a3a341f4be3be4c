"""Killed writers and full disks: at most the open episode is lost."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
import zarr
import zarr.storage._local as local_store

from salus_data.errors import FormatError
from salus_data.faults import CONTRACT, IMAGES, check_noise, kill_writer, noise_episode
from salus_data.store import Store
from salus_data.writer import StoreWriteError, StoreWriter

KILLS = int(os.environ.get("SALUS_KILLS", "8"))


def open_writer(path):
    return StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "set.zarr"
    with open_writer(path) as writer:
        writer.append(*noise_episode(0))
        writer.append(*noise_episode(1))
    return path


@pytest.fixture
def disk(monkeypatch):
    """A disk with room for so many more files; None for enough."""
    real = local_store._put
    room = {"files": None, "written": 0}

    def put(target, *args, **kwargs):
        if room["files"] is not None and room["written"] >= room["files"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        room["written"] += 1
        return real(target, *args, **kwargs)

    monkeypatch.setattr(local_store, "_put", put)
    return room


def test_a_killed_writer_loses_at_most_the_open_episode(tmp_path, monkeypatch):
    # So that the server of processes finds the package, and does not import pytest.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    report = kill_writer(tmp_path / "set.zarr", KILLS)
    assert report.kills == KILLS
    assert report.committed_episodes > 0
    assert report.interrupted > 0, "no kill struck while an episode was being written"


def test_the_fault_check_notices_a_changed_row(path):
    state = zarr.open_array(path / "data/state", mode="r+")
    state[3, 3] += 1.0
    with pytest.raises(AssertionError, match="state of episode 0 has changed"):
        check_noise(Store.open(path), 0)


def test_a_disk_that_fills_up_at_any_write_keeps_what_is_committed(path, disk, tmp_path):
    """The disk fills up at the first write of an episode, at some in the middle, at the last."""
    with open_writer(shutil.copytree(path, tmp_path / "copy.zarr")) as writer:
        disk["written"] = 0
        writer.append(*noise_episode(2))
        total = disk["written"]
    assert total > 20  # every array has a metadata file and a chunk
    for files in (0, 1, total // 3, total // 2, *range(total - 4, total)):
        writer = open_writer(path)
        disk["files"], disk["written"] = files, 0
        with pytest.raises(StoreWriteError, match=r"No space left.*2 committed"):
            writer.append(*noise_episode(2))
        with pytest.raises(StoreWriteError, match="open the store again"):
            writer.append(*noise_episode(3))
        disk["files"] = None
        writer.close()
        assert len(Store.open(path)) == 2
        check_noise(Store.open(path), 0)
    with open_writer(path) as writer:
        writer.append(*noise_episode(2))
    assert len(Store.open(path)) == 3
    check_noise(Store.open(path), 0)


def test_a_disk_that_is_full_when_a_store_is_created_leaves_nothing_behind(tmp_path, disk):
    disk["files"] = 7
    with pytest.raises(StoreWriteError, match="No space left"):
        open_writer(tmp_path / "new.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_the_system_cuts_short_is_reported_and_recovered(path):
    """A real failed write (a limit on the size of a file) rather than a simulated one."""
    script = (
        "import resource, sys\n"
        "from salus_data.faults import CONTRACT, IMAGES, noise_episode\n"
        "from salus_data.writer import StoreWriter, StoreWriteError\n"
        "writer = StoreWriter.open(sys.argv[1], CONTRACT, images=IMAGES, provenance={})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    writer.append(*noise_episode(2))\n"
        "except StoreWriteError as error:\n"
        "    print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert "File too large" in done.stdout
    assert len(Store.open(path)) == 2
    with open_writer(path) as writer:
        writer.append(*noise_episode(2))
    check_noise(Store.open(path), 0)


def test_opening_for_writing_cuts_what_a_killed_writer_left(path, disk):
    writer = open_writer(path)
    disk["files"], disk["written"] = 20, 0
    with pytest.raises(StoreWriteError):
        writer.append(*noise_episode(2))
    writer.close()
    disk["files"] = None
    leftover = path / "data/state/c/0/0.0123.partial"
    leftover.write_bytes(b"half a chunk")
    rows = Store.open(path).n_rows
    assert Store.open(path).array("state").shape[0] > rows
    open_writer(path).close()
    store = Store.open(path)
    assert {store.array(name).shape[0] for name in store.names} == {rows}
    assert not leftover.exists()
    check_noise(store, 0)


def test_an_interrupt_in_the_middle_of_an_episode_leaves_the_store_whole(path, monkeypatch):
    writer = open_writer(path)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "_commit", interrupt)
    with pytest.raises(KeyboardInterrupt), writer:
        writer.append(*noise_episode(2))
    check_noise(Store.open(path), 0)
    with open_writer(path) as writer:
        assert writer.committed == {0, 1}
        writer.append(*noise_episode(2))
    check_noise(Store.open(path), 0)


def test_a_truncated_store_is_not_repaired_silently(path):
    zarr.open_array(path / "data/state", mode="r+").resize((3, 34))
    with pytest.raises(FormatError, match="truncated"):
        open_writer(path)
