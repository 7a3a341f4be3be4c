"""A folder is changed in place, all of it or nothing."""

import ctypes
import errno

import pytest

from salus_data.errors import FormatError
from salus_data.store import Store
from salus_data.swap import changed_in_place, exchange, replaced_path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "set.zarr"
    (folder / "data").mkdir(parents=True)
    (folder / "data/kept").write_text("kept")
    (folder / "data/changed").write_text("old")
    return folder


class NoExchange:
    """A C library on a file system that cannot exchange two folders."""

    def __init__(self, *_, **__):
        pass

    def renameat2(self, *_):
        ctypes.set_errno(errno.EINVAL)
        return -1


def replace_file(copy):
    (copy / "data/changed").unlink()
    (copy / "data/changed").write_text("new")


@pytest.mark.parametrize("can_exchange", [True, False])
def test_the_changed_copy_takes_the_folders_place(folder, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(ctypes, "CDLL", NoExchange)
    with changed_in_place(folder) as copy:
        replace_file(copy)
        assert (folder / "data/changed").read_text() == "old"
    assert (folder / "data/changed").read_text() == "new"
    assert (folder / "data/kept").read_text() == "kept"
    assert [p.name for p in folder.parent.iterdir()] == ["set.zarr"]


def test_an_error_leaves_the_folder_as_it_was(folder):
    def fail():
        with changed_in_place(folder) as copy:
            replace_file(copy)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (folder / "data/changed").read_text() == "old"
    assert [p.name for p in folder.parent.iterdir()] == ["set.zarr"]


def test_unchanged_files_are_shared_and_not_copied(folder):
    with changed_in_place(folder) as copy:
        assert (copy / "data/kept").stat().st_ino == (folder / "data/kept").stat().st_ino


def test_an_exchange_with_nothing_is_an_error(folder):
    with pytest.raises(OSError, match="No such file"):
        exchange(folder.with_name("nowhere"), folder)


def test_opening_what_an_interrupted_exchange_left_says_where_it_is(folder):
    folder.rename(replaced_path(folder))
    with pytest.raises(FormatError, match=r"left it whole at .*\.set\.zarr\.replaced"):
        Store.open(folder)
