"""Values out of messages of any type: by dotted path, and images in the usual encodings."""

import io
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from salus_data.errors import FormatError

_CHANNELS: Final = {"rgb8": 3, "bgr8": 3, "mono8": 1}


class NothingThereError(FormatError):
    """Raised when a field lies in a sequence of messages that has none."""


def lookup(message: Any, path: str) -> Any:
    """What stands at `a.b.c` of a message; in a sequence of messages the first one counts.

    Raises:
        NothingThereError: a sequence on the way is empty.
        FormatError: there is no such field; the message lists those there are.
    """
    value = message
    for part in path.split("."):
        if isinstance(value, list):
            if not value:
                raise NothingThereError(f"{path!r} lies in a sequence that is empty")
            value = value[0]
        names = _names(value) if is_dataclass(value) else []
        if part not in names:
            raise FormatError(
                f"no field {part!r} of {path!r}; there are: {', '.join(names) or 'none'}"
            )
        value = getattr(value, part)
    return value


def numbers(message: Any, paths: list[str]) -> NDArray[np.float64]:
    """Every number at those paths, one after the other, as (K,) float64.

    Raises:
        FormatError: a field is missing or holds something that is no number.
    """
    return np.concatenate([_flat(lookup(message, path), path) for path in paths])


def _names(message: Any) -> list[str]:
    """The fields of a message; the library adds one of its own."""
    return [f.name for f in fields(message) if not f.name.startswith("__")]


def _flat(value: Any, path: str) -> NDArray[np.float64]:
    if is_dataclass(value):
        parts = [_flat(getattr(value, name), f"{path}.{name}") for name in _names(value)]
        return np.concatenate(parts) if parts else np.zeros(0)
    try:
        return np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise FormatError(f"{path} is {value!r}, which is no number") from None


def image(message: Any) -> NDArray[np.uint8]:
    """An Image or CompressedImage as (H, W, 3) uint8 RGB.

    Raises:
        FormatError: the encoding is not known, or the size does not fit the data.
    """
    if not hasattr(message, "encoding"):
        try:
            with Image.open(io.BytesIO(bytes(message.data))) as picture:
                return np.asarray(picture.convert("RGB"))
        except (OSError, ValueError) as error:
            raise FormatError(f"a compressed image cannot be decoded: {error}") from error
    channels = _CHANNELS.get(message.encoding)
    if channels is None:
        raise FormatError(f"image encoding is {message.encoding!r}; known: {', '.join(_CHANNELS)}")
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = np.frombuffer(message.data, np.uint8)
    if data.size != height * step or step < width * channels:
        raise FormatError(
            f"image of {width} x {height} with rows of {step} bytes has {data.size} bytes"
        )
    pixels: NDArray[np.uint8] = data.reshape(height, step)[:, : width * channels].reshape(
        height, width, channels
    )
    if message.encoding == "bgr8":
        pixels = pixels[:, :, ::-1]
    return np.ascontiguousarray(np.broadcast_to(pixels, (height, width, 3)))
