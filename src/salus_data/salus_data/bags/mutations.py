"""Ways in which a bag gets damaged: in its messages as recorded, and in its files."""

import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from salus_data.bags.source import Bag, RawMessage
from salus_data.bags.writer import BagWriter

Random = np.random.Generator
Messages = list[RawMessage]

_STAMP: Final = struct.Struct("<iI")
_STAMP_AT: Final = 4  # behind the CDR encapsulation; every message of the graph begins with a stamp
_NANOSECONDS: Final = 1_000_000_000


def _span(random: Random, count: int, longest: int) -> slice:
    start = int(random.integers(count))
    return slice(start, start + 1 + int(random.integers(longest)))


def drop_messages(messages: Messages, random: Random) -> Messages:
    """Single messages are lost."""
    gone = set(random.integers(len(messages), size=1 + int(random.integers(5))).tolist())
    return [message for i, message in enumerate(messages) if i not in gone]


def drop_span(messages: Messages, random: Random) -> Messages:
    """Everything is lost for a while."""
    span = _span(random, len(messages), 200)
    return messages[: span.start] + messages[span.stop :]


def drop_topic(messages: Messages, random: Random) -> Messages:
    """A topic was not recorded."""
    topic = messages[int(random.integers(len(messages)))].topic
    return [message for message in messages if message.topic != topic]


def drop_events(messages: Messages, random: Random) -> Messages:
    """Starts and ends of episodes are lost."""
    return [m for m in messages if not m.topic.endswith("/episode") or random.random() < 0.6]


def duplicate(messages: Messages, random: Random) -> Messages:
    """Messages come twice, some much later."""
    again = list(messages)
    for i in random.integers(len(messages), size=20).tolist():
        again.insert(int(random.integers(i, len(again) + 1)), messages[i])
    return again


def reorder(messages: Messages, random: Random) -> Messages:
    """Messages overtake each other."""
    places = np.arange(len(messages)) + random.uniform(0, 80, len(messages))
    return [messages[i] for i in np.argsort(places)]


def shuffle(messages: Messages, random: Random) -> Messages:
    """No order is left at all."""
    return [messages[i] for i in random.permutation(len(messages))]


def jump_clock(messages: Messages, random: Random) -> Messages:
    """From one message on every stamp is another, forward or back."""
    start = int(random.integers(len(messages)))
    shift = int(random.choice([-10, -1, 1, 60]) * _NANOSECONDS * random.random())
    return messages[:start] + [_shifted(message, shift) for message in messages[start:]]


def shift_topic(messages: Messages, random: Random) -> Messages:
    """One topic's stamps are off for a while, by one step or by less."""
    topic = messages[int(random.integers(len(messages)))].topic
    span = _span(random, len(messages), 300)
    shift = int(random.choice([-1, 1]) * random.choice([1, 1_000_000, 33_333_333]))
    return [
        _shifted(m, shift) if m.topic == topic and span.start <= i < span.stop else m
        for i, m in enumerate(messages)
    ]


def swap_payloads(messages: Messages, random: Random) -> Messages:
    """A message has the content of another of its topic behind its own stamp."""
    mixed = list(messages)
    topic = messages[int(random.integers(len(messages)))].topic
    places = [i for i, m in enumerate(messages) if m.topic == topic]
    a, b = random.choice(places, 2).tolist()
    cut = _STAMP_AT + _STAMP.size
    copy = messages[a]._replace(data=messages[a].data[:cut] + messages[b].data[cut:])
    mixed.insert(a + 1, copy)
    return mixed


def alter_ends(messages: Messages, random: Random) -> Messages:
    """Bytes of episode events are others."""
    return [
        _flipped(m, random) if m.topic.endswith("/episode") and random.random() < 0.5 else m
        for m in messages
    ]


def shorten_payloads(messages: Messages, random: Random) -> Messages:
    """Messages are cut in the middle."""
    hit = set(random.integers(len(messages), size=3).tolist())
    return [
        m._replace(data=m.data[: int(random.integers(len(m.data)))]) if i in hit else m
        for i, m in enumerate(messages)
    ]


def _shifted(message: RawMessage, shift: int) -> RawMessage:
    if len(message.data) < _STAMP_AT + _STAMP.size:
        return message
    seconds, rest = _STAMP.unpack_from(message.data, _STAMP_AT)
    stamp = max(0, seconds * _NANOSECONDS + rest + shift)
    data = bytearray(message.data)
    _STAMP.pack_into(data, _STAMP_AT, stamp // _NANOSECONDS, stamp % _NANOSECONDS)
    return message._replace(data=bytes(data))


def _flipped(message: RawMessage, random: Random) -> RawMessage:
    data = bytearray(message.data)
    for place in random.integers(_STAMP_AT, len(data), size=1 + int(random.integers(3))):
        data[place] ^= 1 << int(random.integers(8))
    return message._replace(data=bytes(data))


def _storage(bag: Path) -> Path:
    return next(file for file in bag.iterdir() if file.suffix == ".mcap")


def cut_file(bag: Path, random: Random) -> None:
    """The file ends somewhere, as after a kill."""
    file = _storage(bag)
    data = file.read_bytes()
    file.write_bytes(data[: int(random.integers(len(data)))])
    if random.random() < 0.5:
        (bag / "metadata.yaml").unlink()


def flip_bits(bag: Path, random: Random) -> None:
    """Single bits of the file are others."""
    file = _storage(bag)
    data = bytearray(file.read_bytes())
    for place in random.integers(len(data), size=1 + int(random.integers(20))):
        data[place] ^= 1 << int(random.integers(8))
    file.write_bytes(bytes(data))


def overwrite_block(bag: Path, random: Random) -> None:
    """A block of the disk reads as zeros or as noise."""
    file = _storage(bag)
    data = bytearray(file.read_bytes())
    span = _span(random, len(data), 4096)
    length = len(data[span])
    data[span] = bytes(length) if random.random() < 0.5 else random.bytes(length)
    file.write_bytes(bytes(data))


def move_block(bag: Path, random: Random) -> None:
    """Bytes are missing in the middle, or are there that nobody wrote."""
    file = _storage(bag)
    data = file.read_bytes()
    span = _span(random, len(data), 2000)
    middle = b"" if random.random() < 0.5 else data[span] * 2
    file.write_bytes(data[: span.start] + middle + data[span.stop :])


def break_metadata(bag: Path, random: Random) -> None:
    """metadata.yaml is cut or has other bytes."""
    file = bag / "metadata.yaml"
    data = bytearray(file.read_bytes())
    if random.random() < 0.5:
        data = data[: int(random.integers(len(data)))]
    else:
        for place in random.integers(len(data), size=3):
            data[place] ^= 1 << int(random.integers(8))
    file.write_bytes(bytes(data))


IN_MESSAGES: Final[Mapping[str, Callable[[Messages, Random], Messages]]] = {
    f.__name__: f
    for f in (
        drop_messages,
        drop_span,
        drop_topic,
        drop_events,
        duplicate,
        reorder,
        shuffle,
        jump_clock,
        shift_topic,
        swap_payloads,
        alter_ends,
        shorten_payloads,
    )
}
IN_FILES: Final[Mapping[str, Callable[[Path, Random], None]]] = {
    f.__name__: f for f in (cut_file, flip_bits, overwrite_block, move_block, break_metadata)
}


def mutate(bag: Path, out: Path, name: str, random: Random) -> None:
    """Write a damaged copy of a bag."""
    if name in IN_FILES:
        shutil.copytree(bag, out)
        IN_FILES[name](out, random)
        return
    with Bag(bag) as source:
        recorded = [message.kept() for message in source.messages(source.types)]
        messages = IN_MESSAGES[name](recorded, random)
        writer = BagWriter(out, source.typestore)
        for topic, kind in source.types.items():
            if any(message.topic == topic for message in messages):
                writer.add_topic(topic, kind, ())
        for message in messages:
            writer.write(message.topic, message.time, message.data)
        writer.close_with(source.custom)


def describe() -> dict[str, Any]:
    """Every mutation with what it does."""
    return {name: function.__doc__ for name, function in {**IN_MESSAGES, **IN_FILES}.items()}
