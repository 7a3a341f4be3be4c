"""The robot's own signals against formulas over whole episodes, and the laws they obey."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from salus_data.action_space import DELTA_EE, JOINT_POSITION, ActionSpace
from salus_data.errors import FormatError
from salus_data.layout import EE_POSITION, EFFORT, OBJECTS, PERCEIVED, STATE, object_slice
from salus_data.robot_signals import RobotSignals
from salus_data.signals import ROBOT_SIGNALS, signals_table
from salus_data.types import Validity

PERIOD = 1 / 30
STEPS = 25
NAMES = [signal.name for signal in ROBOT_SIGNALS]
SPACES = pytest.mark.parametrize("space", [DELTA_EE, JOINT_POSITION], ids=lambda s: s.name)

Episode = tuple[np.ndarray, np.ndarray, np.ndarray]


def make_episode(space: ActionSpace, seed: int = 0, steps: int = STEPS) -> Episode:
    random = np.random.default_rng(seed)
    state = random.normal(size=(steps, len(STATE)))
    perceived = random.normal(size=(steps, len(PERCEIVED)))
    for name in OBJECTS:
        pose = perceived[:, object_slice(name)]
        pose[:, 3:7] /= np.linalg.norm(pose[:, 3:7], axis=1, keepdims=True)
        pose[:, 7:] = np.abs(pose[:, 7:])
    action = random.uniform(space.low, space.high, size=(steps, space.size))
    return state, perceived, action


def stream(space: ActionSpace, episode: Episode, signals: RobotSignals | None = None) -> Episode:
    """Values (T, K) and validity (T, K), computed step by step."""
    signals = signals or RobotSignals(space, PERIOD)
    signals.reset()
    steps = [signals.step(*rows) for rows in zip(*episode, strict=True)]
    return np.stack([values for values, _ in steps]), np.stack([codes for _, codes in steps])


def named(values: np.ndarray, name: str) -> np.ndarray:
    return values[..., NAMES.index(name)]


def lagged(values: np.ndarray, steps: int = 1) -> np.ndarray:
    """The values of `steps` steps before; NaN where there are none."""
    late = np.full_like(values, np.nan)
    late[steps:] = values[:-steps]
    return late


def norm(values: np.ndarray) -> np.ndarray:
    return np.sqrt((values**2).sum(axis=-1))


def expected(space: ActionSpace, episode: Episode) -> dict[str, np.ndarray]:
    """Every signal by a formula over the whole episode, written without the code under test."""
    state, perceived, action = episode
    cube, box, tray = (perceived[:, object_slice(name)] for name in OBJECTS)
    hand = state[:, EE_POSITION]
    half = (np.array(space.high) - space.low)[:-1] / 2
    target = action[:, :-1]
    if space is JOINT_POSITION:
        motion = (target - state[:, :7]) / half
        commanded = lagged(target) - lagged(target, 5)
        tracking = norm((commanded - (state[:, :7] - lagged(state[:, :7], 4))) / half)
    else:
        motion = target / half
        commanded = sum(lagged(target[:, :3], n) for n in (1, 2, 3, 4))
        tracking = norm((commanded - (hand - lagged(hand, 4))) / half[:3])
        tracking[4] = np.nan  # both spaces wait for the same number of steps
    effort = state[:, EFFORT]
    velocity = (hand - lagged(hand)) / PERIOD
    width = state[:, 7] + state[:, 8]
    x, y, z, w = box[:, 3:7].T
    angle = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y**2 + z**2))
    turned = np.exp(-1j * angle) * ((hand - box[:, :3])[:, :2] @ [1, 1j])
    beyond = np.stack([np.abs(turned.real), np.abs(turned.imag)], axis=1) - box[:, 7:9] / 2
    clearance = norm(np.maximum(beyond, 0))
    distance, reach = norm((cube - 0)[:, :3] - hand), norm((tray[:, :3] - hand)[:, :2])
    return {
        "action_magnitude": norm(motion),
        "action_change": norm(motion - lagged(motion)),
        "action_jerk": norm(motion - 2 * lagged(motion) + lagged(motion, 2)),
        "tracking_error": tracking,
        "gripper_gap": action[:, -1] - width / 0.08,
        "gripper_width": width,
        "gripper_width_rate": state[:, 16] + state[:, 17],
        "gripper_command": action[:, -1],
        "finger_effort": (effort[:, 7] + effort[:, 8]) / 2,
        "joint_effort": norm(effort[:, :7]),
        "joint_effort_change": norm(effort[:, :7] - lagged(effort[:, :7])),
        "ee_height": hand[:, 2],
        "ee_vertical_velocity": velocity[:, 2],
        "ee_speed": norm(velocity),
        "object_distance": norm((cube[:, :3] - hand)[:, :2]),
        "object_relative_height": cube[:, 2] - hand[:, 2],
        "object_height": cube[:, 2],
        "object_closing_speed": (lagged(distance) - distance) / PERIOD,
        "object_jump": norm(cube[:, :3] - lagged(cube[:, :3])),
        "obstacle_clearance": clearance,
        "obstacle_height_margin": hand[:, 2] - box[:, 2] - box[:, 9] / 2,
        "obstacle_closing_speed": (lagged(clearance) - clearance) / PERIOD,
        "bin_distance": reach,
        "bin_closing_speed": (lagged(reach) - reach) / PERIOD,
    }


@SPACES
def test_every_signal_follows_its_formula(space: ActionSpace) -> None:
    episode = make_episode(space)
    values, validity = stream(space, episode)
    formulas = expected(space, episode)
    assert list(formulas) == NAMES
    for name, formula in formulas.items():
        np.testing.assert_allclose(named(values, name), formula, rtol=1e-9, atol=1e-9, err_msg=name)
    assert ((validity == Validity.VALID) == np.isfinite(values)).all()
    assert (validity[np.isnan(values)] == Validity.WARMING_UP).all()


@SPACES
@pytest.mark.parametrize("cut", [1, 3, 8, 24])
def test_the_future_does_not_matter(space: ActionSpace, cut: int) -> None:
    one, other = make_episode(space, 1), make_episode(space, 2)
    joined: Episode = tuple(
        np.concatenate([a[:cut], b[cut:]]) for a, b in zip(one, other, strict=True)
    )
    np.testing.assert_array_equal(stream(space, one)[0][:cut], stream(space, joined)[0][:cut])


@SPACES
def test_reset_forgets(space: ActionSpace) -> None:
    used = RobotSignals(space, PERIOD)
    stream(space, make_episode(space, 3), used)
    episode = make_episode(space, 4)
    np.testing.assert_array_equal(stream(space, episode, used)[0], stream(space, episode)[0])


@SPACES
def test_the_step_number_does_not_matter(space: ActionSpace) -> None:
    """Signals of the same six steps are the same wherever these stand in an episode."""
    head, tail = make_episode(space, 5), make_episode(space, 6)
    later: Episode = tuple(np.concatenate(pair) for pair in zip(head, tail, strict=True))
    np.testing.assert_array_equal(stream(space, later)[0][STEPS + 6 :], stream(space, tail)[0][6:])


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, 3, elements=st.floats(-2, 2)), st.integers(0, 1000))
def test_distances_and_speeds_ignore_where_the_base_stands(shift: np.ndarray, seed: int) -> None:
    state, perceived, action = make_episode(DELTA_EE, seed, 8)
    moved_state, moved_perceived = state.copy(), perceived.copy()
    moved_state[:, EE_POSITION] += shift
    for name in OBJECTS:
        moved_perceived[:, object_slice(name)][:, :3] += shift
    before = stream(DELTA_EE, (state, perceived, action))[0]
    after = stream(DELTA_EE, (moved_state, moved_perceived, action))[0]
    heights = [NAMES.index(name) for name in ("ee_height", "object_height")]
    np.testing.assert_allclose(after[:, heights], before[:, heights] + shift[2], atol=1e-9)
    rest = [k for k in range(len(NAMES)) if k not in heights]
    np.testing.assert_allclose(after[:, rest], before[:, rest], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.floats(-np.pi, np.pi), st.integers(0, 1000))
def test_turning_the_scene_about_the_vertical_changes_no_distance(angle: float, seed: int) -> None:
    state, perceived, action = make_episode(DELTA_EE, seed, 4)
    for name in OBJECTS:  # upright boxes: of a tilted one, the yaw of its footprint is arbitrary
        perceived[:, object_slice(name)][:, 3:5] = 0
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    turned_state, turned_perceived = state.copy(), perceived.copy()
    turned_state[:, EE_POSITION] = state[:, EE_POSITION] @ turn.T
    half_cosine, half_sine = np.cos(angle / 2), np.sin(angle / 2)
    for name in OBJECTS:
        source, target = perceived[:, object_slice(name)], turned_perceived[:, object_slice(name)]
        target[:, :3] = source[:, :3] @ turn.T
        qz, qw = source[:, 5], source[:, 6]
        target[:, 5] = half_cosine * qz + half_sine * qw
        target[:, 6] = half_cosine * qw - half_sine * qz
    perceived_only = [k for k, signal in enumerate(ROBOT_SIGNALS) if signal.perceives]
    before = stream(DELTA_EE, (state, perceived, action))[0][:, perceived_only]
    after = stream(DELTA_EE, (turned_state, turned_perceived, action))[0][:, perceived_only]
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_an_unseen_object_silences_only_its_own_signals() -> None:
    state, perceived, action = make_episode(DELTA_EE)
    perceived[10:12, object_slice("obstacle")] = np.nan
    values, validity = stream(DELTA_EE, (state, perceived, action))
    for k, signal in enumerate(ROBOT_SIGNALS):
        unseen = signal.perceives == "obstacle"
        assert (validity[10:12, k] == Validity.NOT_PERCEIVED).all() == unseen
        assert np.isnan(values[10:12, k]).all() == unseen
    assert named(validity, "obstacle_closing_speed")[12] == Validity.WARMING_UP
    assert (validity[13:] == Validity.VALID).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_input_is_told_and_never_becomes_a_number(value: float) -> None:
    state, perceived, action = make_episode(DELTA_EE)
    state[10, EFFORT] = value
    values, validity = stream(DELTA_EE, (state, perceived, action))
    for name in ("finger_effort", "joint_effort", "joint_effort_change"):
        assert named(validity, name)[10] == Validity.INPUT_MISSING
        assert np.isnan(named(values, name)[10])
    assert named(validity, "ee_height")[10] == Validity.VALID
    assert (validity[12:] == Validity.VALID).all()


def test_a_resting_robot_has_no_tracking_error_and_a_blocked_one_has() -> None:
    state, perceived, action = make_episode(DELTA_EE)
    state[:] = state[0]
    action[:, :6] = 0
    assert named(stream(DELTA_EE, (state, perceived, action))[0], "tracking_error")[-1] == 0
    action[:, 0] = 0.025
    blocked = named(stream(DELTA_EE, (state, perceived, action))[0], "tracking_error")[-1]
    assert blocked == pytest.approx(4)  # four steps, each of the largest size


def test_a_held_joint_target_is_no_motion() -> None:
    state, perceived, action = make_episode(JOINT_POSITION)
    state[:, :7] = 0.3
    action[:, :7] = 0.3
    values, _ = stream(JOINT_POSITION, (state, perceived, action))
    for name in ("action_magnitude", "action_change", "action_jerk", "tracking_error"):
        assert named(values, name)[-1] == pytest.approx(0, abs=1e-12)


def test_the_caller_may_reuse_its_buffers() -> None:
    state, perceived, action = make_episode(DELTA_EE)
    signals = RobotSignals(DELTA_EE, PERIOD)
    buffers = [rows[0].copy() for rows in (state, perceived, action)]
    reused = []
    for rows in zip(state, perceived, action, strict=True):
        for buffer, row in zip(buffers, rows, strict=True):
            buffer[:] = row
        reused.append(signals.step(*buffers)[0])
    np.testing.assert_array_equal(np.stack(reused), stream(DELTA_EE, (state, perceived, action))[0])


@SPACES
def test_the_past_is_what_was_executed_and_the_present_what_is_proposed(space: ActionSpace) -> None:
    state, perceived, executed = make_episode(space)
    proposed = make_episode(space, seed=1)[2]
    signals = RobotSignals(space, PERIOD)
    for t in range(STEPS):
        values, _ = signals.step(state[t], perceived[t], proposed[t])
        # The same as of an episode whose every earlier action was proposed as it was executed.
        rows = np.concatenate([executed[:t], proposed[t : t + 1]])
        alone, _ = stream(space, (state[: t + 1], perceived[: t + 1], rows))
        np.testing.assert_array_equal(values, alone[-1])
        signals.executed(executed[t])


@SPACES
def test_only_what_asks_depends_on_the_proposal(space: ActionSpace) -> None:
    state, perceived, action = make_episode(space)
    other = make_episode(space, seed=1)[2]
    asks = np.array([signal.asks for signal in ROBOT_SIGNALS])
    signals, changed = RobotSignals(space, PERIOD), RobotSignals(space, PERIOD)
    for t in range(STEPS):
        mine = signals.step(state[t], perceived[t], action[t])[0]
        theirs = changed.step(state[t], perceived[t], other[t])[0]
        changed.executed(action[t])
        np.testing.assert_array_equal(mine[~asks], theirs[~asks])
        if t > 1:  # all of them are there
            assert (mine[asks] != theirs[asks]).all()


@SPACES
def test_a_step_may_be_observed_before_anything_is_proposed(space: ActionSpace) -> None:
    episode = make_episode(space)
    signals = RobotSignals(space, PERIOD)
    halves = []
    for state, perceived, action in zip(*episode, strict=True):
        signals.observe(state + 1, perceived)  # nothing was proposed on this: it does not count
        signals.observe(state, perceived)
        halves.append(signals.propose(action)[0])
    np.testing.assert_array_equal(np.stack(halves), stream(space, episode)[0])


def test_nothing_can_be_proposed_before_an_observation() -> None:
    signals = RobotSignals(DELTA_EE, PERIOD)
    signals.observe(np.zeros(34), np.zeros(30))
    signals.propose(np.zeros(7))
    with pytest.raises(FormatError, match="before its step was observed"):
        signals.propose(np.zeros(7))


def test_nothing_can_be_executed_before_the_first_step() -> None:
    with pytest.raises(FormatError, match="before the first step"):
        RobotSignals(DELTA_EE, PERIOD).executed(np.zeros(7))


@pytest.mark.parametrize(
    ("state", "perceived", "action", "wrong"),
    [(33, 30, 7, "state"), (34, 31, 7, "perceived"), (34, 30, 8, "action")],
)
def test_a_wrong_shape_is_refused(state: int, perceived: int, action: int, wrong: str) -> None:
    signals = RobotSignals(DELTA_EE, PERIOD)
    with pytest.raises(FormatError, match=f"{wrong} has shape"):
        signals.step(np.zeros(state), np.zeros(perceived), np.zeros(action))


@pytest.mark.parametrize("period", [0.0, -1.0, np.nan, np.inf])
def test_an_impossible_step_period_is_refused(period: float) -> None:
    with pytest.raises(FormatError, match="step_period"):
        RobotSignals(DELTA_EE, period)


def test_names_are_unique_and_the_table_tells_each_of_them() -> None:
    assert len(set(NAMES)) == len(NAMES)
    table = signals_table()
    rows = table.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == NAMES
    widths = {row.count("|") for row in table.splitlines()}
    assert len(widths) == 1
    assert all(a != b for a, b in pairwise(rows))


def test_the_document_is_made_from_the_table() -> None:
    document = Path(__file__).parents[3] / "docs" / "SIGNALS.md"
    assert signals_table() in document.read_text(), (
        "python -m salus_collector.policy.signals.document docs/SIGNALS.md"
    )
