"""What is no model is refused in one line that says what was looked for."""

from pathlib import Path

import pytest

from salus_data.errors import FormatError, UnknownNameError
from salus_predictor.online.load import load_watched


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="give a model's folder"):
        load_watched(str(tmp_path))


@pytest.mark.parametrize("text", ["kind: crystal_ball", "- a list", ""])
def test_a_model_of_a_kind_that_nobody_can_load_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(UnknownNameError, match=r"model\.yaml"):
        load_watched(str(tmp_path))


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("a: [")
    with pytest.raises(FormatError, match="not YAML"):
        load_watched(str(tmp_path))
