"""What docs/DATA_FORMAT.md shows is run, and the tables it gives are those of the code."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from salus_data.episode import EpisodeRecord
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.schema import SCHEMA_VERSION, array_specs, label_specs
from salus_data.types import FailureType, Outcome, SupervisorStatus, Validity
from salus_data.writer import StoreWriter

TEXT = (Path(__file__).parents[3] / "docs/DATA_FORMAT.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_python_block_runs(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with StoreWriter.open("demo.zarr", CONTRACT, images=IMAGES, provenance={}) as writer:
        for index in range(3):
            writer.hold(*noise_episode(index))
    exec(compile(block, "docs/DATA_FORMAT.md", "exec"), {})
    if "print(" in block:
        assert "0-2" in capsys.readouterr().out


def test_every_array_and_every_field_is_described():
    specs = array_specs(CONTRACT, IMAGES, embedding_size=8, sim_state_size=8)
    arrays = [n for n in (specs | label_specs(CONTRACT)) if not n.startswith("image_")]
    names = [*arrays, "image_<camera>", *(field.name for field in fields(EpisodeRecord))]
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_every_number_that_stands_for_something_is_described():
    for enumeration in (Outcome, FailureType, SupervisorStatus, Validity):
        for member in enumeration:
            assert f"{member.value} {member.name}" in TEXT
    assert f"`schema_version` is {SCHEMA_VERSION}" in TEXT
