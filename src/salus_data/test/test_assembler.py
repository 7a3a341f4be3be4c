"""Messages in any order make the same rows; an episode that lacks one is never whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_data.episode import EpisodeRecord
from salus_data.joining.assembler import LOOSE_ROWS, Assembler
from salus_data.types import Outcome

CHANNELS = ("a", "b")
STEPS = 4
PERIOD = 33


def record(name="e1", index=1):
    return EpisodeRecord(
        id=name, index=index, seed=0, outcome=Outcome.SUCCESS, onset_step=2, confirm_step=3
    )


def stamp(step):
    return 1000 + step * PERIOD


def messages():
    """Every message of one episode as (method, arguments)."""
    out = [("number", (stamp(t), "e1", t)) for t in range(STEPS)]
    out += [
        ("add", (channel, stamp(t), np.array([t, k])))
        for t in range(STEPS)
        for k, channel in enumerate(CHANNELS)
    ]
    return out


def begun():
    assembler = Assembler(CHANNELS)
    assembler.begin("e1", stamp(0))
    return assembler


def send(assembler, some):
    for method, arguments in some:
        getattr(assembler, method)(*arguments)


@settings(deadline=None, max_examples=50)
@given(st.permutations([*messages(), ("end", (record(), STEPS))]))
def test_the_order_of_messages_does_not_matter(order):
    assembler = begun()
    for sent, message in enumerate(order, start=1):
        send(assembler, [message])
        assert assembler.whole == (sent == len(order))
    _, arrays = assembler.take()
    assert arrays["a"].tolist() == [[t, 0] for t in range(STEPS)]
    assert arrays["b"].tolist() == [[t, 1] for t in range(STEPS)]
    assert arrays["stamp"].tolist() == [stamp(t) for t in range(STEPS)]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, len(messages()) - 1))
def test_an_episode_that_lacks_any_message_is_not_whole(lost):
    assembler = begun()
    some = messages()
    method, arguments = some.pop(lost)
    send(assembler, some)
    assembler.end(record(), STEPS)
    assert not assembler.whole
    step = arguments[2] if method == "number" else (arguments[1] - stamp(0)) // PERIOD
    report = assembler.report()
    assert report.first_gap == step
    expected = dict.fromkeys(CHANNELS, 1) if method == "number" else {arguments[0]: 1}
    assert report.missing == expected
    assert f"first at step {step}" in str(report)
    with pytest.raises(ValueError, match="not whole"):
        assembler.take()


def test_a_message_that_comes_twice_the_same_is_counted_and_does_no_harm():
    assembler = begun()
    send(assembler, messages())
    assembler.add("a", stamp(2), np.array([2, 0]))
    assembler.end(record(), STEPS)
    assert assembler.report().duplicated == 1
    _, arrays = assembler.take()
    assert arrays["a"][2].tolist() == [2, 0]


def test_two_messages_of_one_row_that_differ_make_the_episode_unwhole():
    assembler = begun()
    send(assembler, messages())
    assembler.add("a", stamp(2), np.array([99, 99]))
    assembler.end(record(), STEPS)
    with pytest.raises(ValueError, match="not whole"):
        assembler.take()


def test_messages_of_a_closed_episode_are_counted_and_fill_no_row_of_the_next():
    assembler = begun()
    send(assembler, messages())
    assembler.end(record(), STEPS)
    assembler.take()
    assembler.begin("e2", stamp(10))
    before = assembler.late
    assembler.add("a", stamp(3), np.array([7, 7]))
    assembler.end(record("e1"), STEPS)
    assert assembler.late == before + 2
    assert not assembler.ended


def test_messages_with_a_stamp_between_two_steps_join_no_row():
    assembler = begun()
    some = [m for m in messages() if m[1][:2] != ("b", stamp(1))]
    send(assembler, [*some, ("add", ("b", stamp(1) + 1, np.array([1, 1])))])
    assembler.end(record(), STEPS)
    assert assembler.report().missing == {"b": 1}


def test_a_new_episode_drops_the_open_one():
    assembler = begun()
    send(assembler, messages())
    assembler.begin("e2", stamp(100))
    assert assembler.episode_id == "e2"
    assembler.end(record("e2", 2), 1)
    assert assembler.report().missing == dict.fromkeys(CHANNELS, 1)


def test_rows_that_no_open_episode_claims_do_not_fill_the_memory():
    """A bag without the topic that numbers the steps, or without the ends of its episodes."""
    assembler = begun()
    for row in range(3 * LOOSE_ROWS):
        assembler.add("a", 10**6 + row, np.zeros(2))
        if row % 2:
            assembler.number(10**6 + row, "never begun", row)
    assert assembler.rows_held == LOOSE_ROWS
    assert assembler.let_go == 2 * LOOSE_ROWS
    send(assembler, messages())
    assembler.end(record(), STEPS)
    assert assembler.whole
