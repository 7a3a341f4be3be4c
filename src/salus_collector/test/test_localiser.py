"""The localiser: its truth, its file, and a policy that has it beside it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from salus_collector.perception import frames
from salus_collector.perception.localiser import Localiser, Sighting, shrink
from salus_collector.perception.network import LocaliserNetwork
from salus_collector.perception.seeing import SeeingPolicy
from salus_collector.perception.signals import VISUAL_COLUMNS, visual_signals
from salus_collector.perception.targets import PIXELS, footprint_gap, in_gripper_frame, truth
from salus_collector.perception.train import fit, measure
from salus_collector.plan import plan_episode
from salus_collector.policy.expert import Expert
from salus_collector.rollout import rollout
from salus_collector.sim.disturbance_config import NO_DISTURBANCES
from salus_collector.sim.environment import PandaPickPlace
from salus_data.errors import FormatError
from salus_data.layout import EE_POSITION, EE_QUATERNION, object_slice
from salus_data.types import Validity


@pytest.fixture(scope="module")
def localiser() -> Localiser:
    torch.manual_seed(0)
    return Localiser(LocaliserNetwork(), "0123456789abcdef")


def state_at(position: list[float]) -> np.ndarray:
    state = np.zeros(34)
    state[EE_POSITION], state[EE_QUATERNION] = position, (1.0, 0.0, 0.0, 0.0)  # points down
    return state


def test_below_the_hand_is_ahead_of_it() -> None:
    offset = in_gripper_frame(np.array([0.5, 0.0, 0.1]), state_at([0.5, 0.0, 0.3]))
    assert offset == pytest.approx([0, 0, 0.2])


def test_the_gap_to_a_turned_box_is_that_to_its_side() -> None:
    half = np.pi / 8
    box = np.array([1.0, 0, 0.1, 0, 0, np.sin(half), np.cos(half), 0.2, 0.2, 0.2])  # 45 degrees
    # Its nearest side is 0.1 from the centre, and the point lies 0.3 / sqrt(2) along both axes.
    beyond = 0.3 / np.sqrt(2) - 0.1
    gap = footprint_gap(box, np.array([0.7, 0.0, 0.5]))
    assert gap == pytest.approx(np.hypot(beyond, beyond))
    assert footprint_gap(box, np.array([1.0, 0.0, 0.9])) == 0.0


def test_an_absent_obstacle_has_no_length() -> None:
    objects = np.full(30, np.nan)
    objects[object_slice("object")] = [0.5, 0, 0.02, 0, 0, 0, 1, 0.04, 0.04, 0.04]
    lengths, present = truth(state_at([0.5, 0.0, 0.3]), objects)
    assert not present
    assert lengths[3:].tolist() == [0.0, 0.0]


def test_signals_say_when_belief_and_sight_part() -> None:
    state, perceived = state_at([0.5, 0.0, 0.3]), np.full(30, np.nan)
    perceived[object_slice("object")] = [0.53, 0, 0.1, 0, 0, 0, 1, 0.04, 0.04, 0.04]
    sighting = Sighting(np.array([0.0, 0, 0.2, 0.1, 0.2]), np.full(5, 0.01), 0.9)
    values, validity = visual_signals(sighting, state, perceived)
    assert values[4] == pytest.approx(0.03)
    assert (validity == Validity.VALID).all()
    values, validity = visual_signals(
        Sighting(sighting.lengths, sighting.doubt, 0.1), state, np.full(30, np.nan)
    )
    assert np.isnan(values[[4, 6, 7]]).all()
    assert (validity[[4, 6, 7]] == Validity.NOT_PERCEIVED).all()
    assert len(values) == len(VISUAL_COLUMNS)


def test_shrinking_averages_and_refuses_other_sizes() -> None:
    image = np.zeros((2 * PIXELS, 2 * PIXELS, 3), np.uint8)
    image[::2, ::2] = 200
    assert (shrink(image) == 50).all()
    with pytest.raises(FormatError, match="100 x 100"):
        shrink(np.zeros((100, 100, 3), np.uint8))


def test_a_file_gives_back_what_was_saved(localiser: Localiser, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    localiser.save(path, {"asked": "nothing"})
    again = Localiser.load(path)
    images = {c: np.full((PIXELS, PIXELS, 3), 99, np.uint8) for c in ("front", "wrist")}
    one = localiser.look(images, state_at([0.4, 0.1, 0.3]))
    two = again.look(images, state_at([0.4, 0.1, 0.3]))
    assert two.lengths == pytest.approx(one.lengths, abs=2e-3)  # float16
    assert again.digest


def test_a_bad_file_is_refused_by_name(localiser: Localiser, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        Localiser.load(tmp_path / "missing.safetensors")
    path = tmp_path / "cut.safetensors"
    localiser.save(path, {})
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FormatError, match=r"cut\.safetensors"):
        Localiser.load(path)


def test_a_seeing_policy_acts_as_the_policy_does(localiser: Localiser) -> None:
    plan = plan_episode(7, 0, NO_DISTURBANCES)
    actions: dict[str, list[np.ndarray]] = {"blind": [], "seeing": []}
    widths: list[int] = []
    environment = PandaPickPlace(image_size=PIXELS, step_limit=25)
    for name, policy in (("blind", Expert()), ("seeing", SeeingPolicy(Expert(), localiser))):
        rollout(
            environment,
            policy,
            plan,
            on_step=lambda step, name=name: (
                actions[name].append(step.action),
                widths.append(len(step.decision.signals)),
            ),
        )
    environment.close()
    assert np.array_equal(actions["blind"], actions["seeing"])
    assert set(widths) == {0, len(VISUAL_COLUMNS)}


def test_the_shipped_one_sees_the_object_within_a_centimetre() -> None:
    seen = Localiser.load()
    errors = []
    for part in frames.expert_frames(3, 4242, NO_DISTURBANCES):
        for images, lengths, pose in zip(part.images, part.lengths, part.pose, strict=True):
            found = seen.locate(images, pose)
            errors.append(np.abs(found.lengths[:3] - lengths[:3]))
    assert np.median(errors, axis=0).max() < 0.01


def test_training_writes_a_file_that_can_be_loaded(tmp_path: Path) -> None:
    parts = list(frames.expert_frames(4, 11, NO_DISTURBANCES))
    fields = ("images", "pose", "lengths", "present")
    whole = frames.Frames(*(np.concatenate([getattr(p, f) for p in parts]) for f in fields))
    network = fit(whole, len(whole) - 4, epochs=1, seed=0)
    Localiser(network).save(tmp_path / "w.safetensors", {})
    assert set(measure(network, whole, np.arange(4))) >= {"object.z.median_error"}
    assert Localiser.load(tmp_path / "w.safetensors").digest
