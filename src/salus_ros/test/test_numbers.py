"""The numbers on the wire are those of the dataset."""

import pytest

messages = pytest.importorskip("salus_msgs.msg")

from salus_data.types import FailureType, Outcome  # noqa: E402


def test_outcomes_and_failure_types_have_the_same_numbers_in_messages() -> None:
    event = messages.EpisodeEvent
    for outcome in Outcome:
        assert getattr(event, f"OUTCOME_{outcome.name}") == outcome
    for kind in FailureType:
        assert getattr(event, f"FAILURE_{kind.name}") == kind
