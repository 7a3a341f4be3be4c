"""Images straight from the wire: a serialised sensor_msgs/Image, without a copy of its pixels.

A ROS library makes an object of every message, and of an image two copies or more. They cost four
times as long as all the rest of receiving it, and every consumer of a camera pays for them.
"""

import struct
from typing import Final, NamedTuple

from salus_data.errors import FormatError

IMAGE_TYPE: Final = "sensor_msgs/msg/Image"
_LITTLE_ENDIAN: Final = b"\x00\x01"
"""First two bytes of CDR as every ROS 2 machine of today writes it; two more hold options."""
_START: Final = 4  # alignment counts from behind them
_STAMP_AND_LENGTH: Final = struct.Struct("<iII")
_SIZE_AND_LENGTH: Final = struct.Struct("<III")
_STEP_AND_LENGTH: Final = struct.Struct("<II")


class Stamp(NamedTuple):
    """As builtin_interfaces/Time."""

    sec: int
    nanosec: int


class Header(NamedTuple):
    """As std_msgs/Header."""

    stamp: Stamp
    frame_id: str


class WireImage(NamedTuple):
    """The fields of sensor_msgs/Image that SALUS reads; `data` is a view of the message's bytes."""

    header: Header
    height: int
    width: int
    encoding: str
    data: memoryview


def decode_image(message: bytes | memoryview) -> WireImage:
    """Read a serialised sensor_msgs/Image.

    Raises:
        FormatError: the bytes are not one.
    """
    if message[:2] != _LITTLE_ENDIAN:
        raise FormatError(f"image in encoding {message[:2].hex()}; known: little-endian CDR")
    try:
        sec, nanosec, length = _STAMP_AND_LENGTH.unpack_from(message, _START)
        at = _START + _STAMP_AND_LENGTH.size
        frame, at = _text(message, at, length)
        height, width, length = _SIZE_AND_LENGTH.unpack_from(message, _aligned(at))
        encoding, at = _text(message, _aligned(at) + _SIZE_AND_LENGTH.size, length)
        # One byte says whether pixels of more than a byte are big-endian; rgb8 has none.
        at = _aligned(at + 1)
        _, length = _STEP_AND_LENGTH.unpack_from(message, at)
    except (struct.error, ValueError) as error:
        raise FormatError(f"not an image: {error}") from error
    at += _STEP_AND_LENGTH.size
    data = memoryview(message)[at : at + length]
    if len(data) != length:
        raise FormatError(f"not an image: {len(data)} of its {length} bytes are there")
    return WireImage(Header(Stamp(sec, nanosec), frame), height, width, encoding, data)


def _text(message: bytes | memoryview, at: int, length: int) -> tuple[str, int]:
    """A string of so many bytes, its final zero among them, and where it ends."""
    end = at + length
    if not length or end > len(message) or message[end - 1]:
        raise ValueError(f"no string of {length} bytes at byte {at}")
    return str(message[at : end - 1], "utf-8"), end


def _aligned(at: int) -> int:
    """The next multiple of four."""
    return -(-(at - _START) // 4) * 4 + _START
