"""Messages that are filled anew say the same as messages made anew."""

from array import array
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rclpy.serialization import deserialize_message, serialize_message

from salus_data.memory import keep_freed_memory
from salus_ros import convert
from salus_ros.observation_messages import ObservationMessages

NUMBERS = st.floats(-1e6, 1e6)
STATES = arrays(np.float64, 34, elements=NUMBERS)
SCENES = arrays(np.float64, 30, elements=st.just(float("nan")) | NUMBERS)
STAMPS = st.integers(0, 2**31 * 1_000_000_000 - 1)


def assert_same(filled: Any, made: Any) -> None:
    """Both serialise to the same values; the bytes may differ, since nobody sets the padding."""
    assert values(filled) == values(made)


def values(message: Any) -> Any:
    """What a subscriber is given, as nested tuples; floats by their bytes, so that NaN is NaN."""
    return _plain(deserialize_message(serialize_message(message), type(message)))


def _plain(value: Any) -> Any:
    if hasattr(value, "get_fields_and_field_types"):
        return tuple(
            (name, _plain(getattr(value, name))) for name in value.get_fields_and_field_types()
        )
    if isinstance(value, float | np.ndarray | array):
        return np.asarray(value).tobytes()
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value


@settings(deadline=None)
@given(st.lists(st.tuples(STATES, SCENES, STAMPS), min_size=1, max_size=3))
def test_filled_anew_and_made_anew_are_the_same(
    steps: list[tuple[np.ndarray, np.ndarray, int]],
) -> None:
    messages = ObservationMessages()
    for step, (state, scene, stamp) in enumerate(steps):
        clock = messages.clock(stamp).clock
        assert clock.sec * 1_000_000_000 + clock.nanosec == stamp
        for filled, made in (
            (messages.joint_state(state, stamp), convert.joint_state_message(state, stamp)),
            (messages.ee_pose(state, stamp), convert.ee_pose_message(state, stamp)),
            (
                messages.perceived(scene, stamp, f"0-{step}", step),
                convert.perceived_message(scene, stamp, f"0-{step}", step),
            ),
        ):
            assert_same(filled, made)


def test_images_of_two_cameras_and_of_a_new_size_do_not_mix() -> None:
    messages, random = ObservationMessages(), np.random.default_rng(0)
    for stamp, size in enumerate((8, 8, 12, 8)):
        for camera in ("front", "wrist"):
            image = random.integers(0, 256, (size, size, 3), np.uint8)
            filled = messages.image(image, stamp, camera)
            assert_same(filled, convert.image_message(image, stamp, camera))
            assert np.array_equal(convert.image_from(filled), image)


def test_the_c_library_takes_the_setting() -> None:
    assert keep_freed_memory()
