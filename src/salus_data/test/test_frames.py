"""Frames read straight from their files are those that zarr reads, and damage is never read."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_data.errors import FormatError
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.frames import FrameFiles
from salus_data.store import Store
from salus_data.writer import StoreWriter

NAME = f"image_{CONTRACT.cameras[0]}"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """More rows than one file holds."""
    path = tmp_path_factory.mktemp("frames") / "set.zarr"
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={}) as writer:
        for index in range(16):
            writer.hold(*noise_episode(index))
    return path


@pytest.fixture(scope="module")
def whole(written):
    return np.asarray(zarr.open_group(written, mode="r")[f"data/{NAME}"][...])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_window_is_what_zarr_reads(written, whole, data):
    files = FrameFiles.of(written / "data" / NAME)
    assert files is not None
    assert len(whole) > files.shard
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    assert np.array_equal(files.window(start, stop), whole[start:stop])


@pytest.fixture
def copy(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "copy.zarr"))


def first_file(path):
    return path / "data" / NAME / "c/0/0/0/0"


def damage(path, place, value):
    content = bytearray(path.read_bytes())
    content[place : place + len(value) or None] = value
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-50]),
        lambda file: damage(file, -30, b"\x55"),  # in the index
        lambda file: damage(file, 0, bytes(12)),  # in the first chunk
    ],
)
def test_a_lost_or_damaged_file_is_an_error(copy, harm):
    harm(first_file(copy))
    with pytest.raises(FormatError, match=NAME):
        Store.open(copy).window(NAME, 0, 8)


def test_an_array_that_is_packed_in_another_way_is_left_to_zarr(copy, whole):
    metadata = copy / "data" / NAME / "zarr.json"
    facts = json.loads(metadata.read_text())
    facts["codecs"][0]["configuration"]["codecs"][1]["name"] = "gzip"
    metadata.write_text(json.dumps(facts))
    assert FrameFiles.of(metadata.parent) is None
    shutil.rmtree(metadata.parent)
    root = zarr.open_group(copy, mode="r+")
    root.create_array(f"data/{NAME}", data=whole, chunks=(4, *whole.shape[1:]))
    assert FrameFiles.of(metadata.parent) is None
    assert np.array_equal(Store.open(copy).window(NAME, 3, 9), whole[3:9])
