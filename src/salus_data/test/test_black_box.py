"""The black box: bounded, complete around a trigger, and it always says why there is no bag."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from bag_builders import NAMESPACE, bag_items, drawn_episodes, typestore
from hypothesis import given
from hypothesis import strategies as st

from salus_data.bags.black_box import JOURNAL, REASONS_KEY, BlackBox, BlackBoxSettings, Trigger
from salus_data.bags.ring import Ring
from salus_data.bags.source import Bag
from salus_data.bags.write_recording import write_recording
from salus_data.bags.writer import BagWriteError

SECOND = 10**9


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 50)), max_size=60),
    st.integers(1, 20),
    st.integers(1, 120),
)
def test_a_ring_keeps_the_newest_within_both_bounds(steps, seconds, limit) -> None:
    ring = Ring(seconds, limit)
    heard, now = [], 0
    for wait, size in steps:
        now += wait * SECOND // 4
        heard.append((now, bytes(size)))
        ring.add("t", now, bytes(size))
    kept = ring.snapshot()
    assert sum(len(message.data) for message in kept) == ring.bytes <= limit
    assert all(message.time >= now - seconds * SECOND for message in kept)
    small = [entry for entry in heard if len(entry[1]) <= limit]
    assert [(m.time, m.data) for m in kept] == small[len(small) - len(kept) :]
    recent = [entry for entry in small if entry[0] >= now - seconds * SECOND]
    if len(kept) < len(recent):
        assert ring.pushed_out, "what is recent goes only for lack of room"


def test_latched_messages_stay_and_an_old_clock_is_forgotten() -> None:
    ring = Ring(1.0, 1000, latched=["contract"])
    ring.add("contract", 0, b"c")
    for k in range(100):
        ring.add("t", 10 * SECOND + k * SECOND // 10, b"x")
    kept = ring.snapshot()
    assert kept[0].topic == "contract"
    assert kept[0].time <= kept[1].time
    ring.add("t", 0, b"y")
    assert [message.data for message in ring.snapshot()] == [b"c", b"y"]


def trigger(step: int = 3, kind: str = "warning") -> Trigger:
    return Trigger(kind, "failure type 1 within 0.67 s", "0-000001", step, step * SECOND, 4)


def filled(folder: Path, **changes) -> tuple[BlackBox, int]:
    """A box that has heard a drawn recording, and the time of its last message."""
    contract, made = drawn_episodes(1, length=60)
    latched = [f"{NAMESPACE}/{name}" for name in ("contract", "episode", "supervisor")]
    box = BlackBox(BlackBoxSettings(folder, before=0.5, after=0.2, **changes), latched)
    now = 0
    for item in bag_items(contract, made):
        now = max(now, item.time)
        box.add(f"{NAMESPACE}/{item.topic}", now, item.data)
    return box, now


def kinds() -> dict[str, tuple[str, tuple]]:
    contract, made = drawn_episodes(1)
    return {f"{NAMESPACE}/{i.topic}": (i.type, ()) for i in bag_items(contract, made)}


def journal(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


def test_a_trigger_becomes_a_bag_with_its_reason(tmp_path: Path) -> None:
    box, now = filled(tmp_path)
    assert box.trigger(trigger(), now) == ""
    assert box.complete(now) is None, "what follows it is waited for"
    assert box.trigger(trigger(4, "intervention"), now + 1) == ""
    recording = box.complete(now + SECOND)
    assert recording is not None
    assert box.complete(now + SECOND) is None
    write_recording(recording, typestore(), kinds())
    box.done(recording)
    assert box.end() == ""
    with Bag(recording.path) as bag:
        facts = json.loads(bag.custom[REASONS_KEY])
        messages = list(bag.messages(bag.types))
        assert not bag.problems
    assert [t["kind"] for t in facts["triggers"]] == ["warning", "intervention"]
    assert {m.topic for m in messages} == set(kinds()), "with the contract, however old"
    poses = [m for m in messages if m.topic.endswith("ee_pose")]
    assert 15 <= len(poses) < 60, "half a second and a bit, not the whole episode"
    assert [line["bag"] for line in journal(tmp_path)] == [recording.path.name] * 2
    assert not (tmp_path / ".partial").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"pause": 30.0}, "the pause is 30 s"), ({"pause": 0.0, "bags": 1}, "the limit is 1")],
)
def test_why_there_is_no_bag_is_recorded(tmp_path: Path, changes, reason: str) -> None:
    box, now = filled(tmp_path, **changes)
    box.trigger(trigger(), now)
    recording = box.complete(now, force=True)
    assert recording is not None
    write_recording(recording, typestore(), kinds())
    box.done(recording)
    assert reason in box.trigger(trigger(9), now + SECOND)
    assert not box.waiting
    assert reason in journal(tmp_path)[-1]["why_none"]
    assert journal(tmp_path)[-1]["step"] == 9


def test_a_disk_that_refuses_is_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    box, now = filled(file / "bags")
    box.trigger(trigger(), now)
    recording = box.complete(now, force=True)
    assert recording is not None
    with pytest.raises(BagWriteError) as refused:
        write_recording(recording, typestore(), kinds())
    box.done(recording, str(refused.value))
    assert not box.written
    assert "none of 1 triggers became a bag" in box.end()


def test_a_quiet_run_says_that_nothing_happened(tmp_path: Path) -> None:
    box, _ = filled(tmp_path)
    assert "no warning was raised" in box.end()
    assert "no warning was raised" in journal(tmp_path)[-1]["why_none"]


def test_only_the_beginning_of_an_intervention_is_a_trigger(tmp_path: Path) -> None:
    box = BlackBox(BlackBoxSettings(tmp_path), ())
    heading = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=0))

    def state(number: int):
        message = SimpleNamespace(
            header=heading, state=number, reason="r", episode_id="e", step=1, warning_id=0
        )
        return box.hear_supervisor(message)

    found = [state(number) for number in (1, 3, 3, 1, 2, 4, 1, 0)]
    assert [t.reason.split(":")[0] if t else "" for t in found] == [
        *("", "holding", "", "", "slowed", "retreating", "", "")
    ]
    raised = {"failure_type": 1, "horizon": 0.5, "probability": 0.9, "threshold": 0.4}
    for kind, wanted in ((1, True), (2, False)):
        message = SimpleNamespace(
            header=heading, kind=kind, episode_id="e", step=1, warning_id=2, **raised
        )
        assert (box.hear_warning(message) is not None) is wanted


def test_a_clock_that_goes_back_completes_what_waits(tmp_path: Path) -> None:
    box, now = filled(tmp_path)
    box.trigger(trigger(), now)
    box.add(f"{NAMESPACE}/action", 0, b"of the time after")
    recording = box.complete(0)
    assert recording is not None
    assert len(recording.messages) > 100
    assert b"of the time after" not in [message.data for message in recording.messages]
