"""Images as they come from the wire are those that were published."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sensor_msgs.msg")

from rclpy.serialization import serialize_message

from salus_data.errors import FormatError
from salus_data.messages import image_from, stamp_of
from salus_data.wire_image import decode_image
from salus_ros.convert import image_message

IMAGE = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)


@settings(deadline=None)  # the first one loads the type
@given(frame=st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=9))
def test_what_was_published_is_read(frame):
    data = serialize_message(image_message(IMAGE, 1_234_567_890_123, frame))
    image = decode_image(data)
    assert stamp_of(image) == 1_234_567_890_123
    assert image.header.frame_id == frame
    assert np.array_equal(image_from(image), IMAGE)


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 88), noise=st.binary(max_size=12), at=st.integers(0, 88))
def test_damaged_bytes_are_refused_or_read_as_an_image(cut, noise, at):
    whole = serialize_message(image_message(IMAGE, 5, "camera"))
    damaged = (whole[:at] + noise + whole[at + len(noise) :])[: len(whole) - cut]
    try:
        image = image_from(decode_image(damaged))
    except FormatError:
        return
    assert image.size <= len(damaged)
