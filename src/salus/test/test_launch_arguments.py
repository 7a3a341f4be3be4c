"""What is written behind `:=` of a launch argument."""

import pytest

from salus.launch_arguments import flag, number, whole
from salus_data.errors import FormatError

GIVEN = {"episodes": "5", "rate": "0.5", "realtime": "True", "bag": "false", "odd": "yes"}


def test_what_is_meant_is_read() -> None:
    assert whole(GIVEN, "episodes") == 5
    assert number(GIVEN, "rate") == 0.5
    assert flag(GIVEN, "realtime")
    assert not flag(GIVEN, "bag")


@pytest.mark.parametrize(
    ("read", "valid"), [(whole, "whole number"), (number, "number"), (flag, "true or false")]
)
def test_what_cannot_be_meant_is_refused_by_name(read: object, valid: str) -> None:
    with pytest.raises(FormatError, match=f"odd:=yes: give a? ?{valid}"):
        read(GIVEN, "odd")  # type: ignore[operator]
