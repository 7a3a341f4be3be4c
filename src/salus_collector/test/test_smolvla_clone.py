"""From an expert's episodes to an ensemble that acts: the path of a user, in small."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salus_collector.plan import EpisodePlan
from salus_collector.policy.base import EpisodeStart
from salus_collector.policy.expert import Expert
from salus_collector.policy.registry import make_policy
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.environment import PandaPickPlace
from salus_data.action_space import DELTA_EE, JOINT_POSITION
from salus_data.contract import Contract
from salus_data.errors import SalusError
from salus_data.joining.episode_arrays import robot_signals
from salus_data.layout import PERCEIVED, STATE
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_data.types import Outcome
from salus_data.view import StoreView
from salus_data.writer import StoreWriter

pytest.importorskip("lerobot")
pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers, datasets and LeRobot

from salus_collector.policy.smolvla import train  # noqa: E402
from salus_collector.policy.smolvla.demonstrations import Demonstrations  # noqa: E402
from salus_collector.policy.smolvla.export import export_lerobot, policy_rows  # noqa: E402
from salus_collector.policy.smolvla.small import Architecture  # noqa: E402

TINY = Architecture(hidden=32, layers=2, heads=2, intermediate=32, chunk=4, flow_steps=2)
CONTRACT = Contract(
    step_period=1 / 30,
    action_space=DELTA_EE,
    state=STATE,
    perceived=PERCEIVED,
    signals=ROBOT_SIGNAL_COLUMNS,
    cameras=(),
    policy="expert",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three successes of the expert, and one that a supervisor touched."""
    path = tmp_path_factory.mktemp("demonstrations") / "w0.zarr"
    environment = PandaPickPlace(image_size=0)
    with StoreWriter.open(path, CONTRACT, images=None, provenance={}) as writer:
        for seed in range(4):
            steps: list[RolloutStep] = []
            plan = EpisodePlan(f"0-{seed:06d}", seed, seed, {}, abrupt=False)
            record = rollout(environment, Expert(), plan, on_step=steps.append)
            touched = 5 if seed == 3 else -1
            record = dataclasses.replace(record, first_intervention_step=touched)
            # A recording ends with what shows the event; its action is not executed.
            last = dataclasses.replace(steps[-1], index=len(steps), action=np.zeros(7))
            writer.append(record, arrays([*steps, last]))
    return path


def arrays(steps: list[RolloutStep]) -> dict[str, Any]:
    state, perceived = (np.stack([s.observation[n] for s in steps]) for n in ("state", "perceived"))
    action = np.stack([step.action for step in steps])
    values, validity = robot_signals(CONTRACT, state, perceived, action, action)
    rows = len(steps)
    return {
        "stamp": (np.arange(rows) * 33_333_333).astype(np.int64),
        "state": state,
        "perceived": perceived,
        "action": action,
        "action_proposed": action,
        "supervisor_state": np.full(rows, 1, np.uint8),
        "chunk_phase": np.full(rows, -1, np.int16),
        "signals": values.astype(np.float32),
        "signal_validity": validity.astype(np.uint8),
    }


@pytest.fixture(scope="module")
def trained(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clone")
    settings = train.TrainingSettings(members=3, steps=3, expert_steps=3, batch_size=4)
    return train.train_ensemble([store], out, settings, architecture=TINY)


def test_lerobot_reads_what_was_exported(store: Path, trained: Path) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    view, adapter = StoreView(store), train.pose_adapter({})
    assert all(record.outcome is Outcome.SUCCESS for record in view.records)
    dataset = LeRobotDataset(
        "salus/demonstrations",
        root=trained.parent / "dataset",
        delta_timestamps={"action": [0, 1 / 30, 2 / 30]},
    )
    assert dataset.num_episodes == 3  # without the one that was touched
    record = view.records[0]
    assert record.idle_steps > 0
    kept = view.length(0) - 1 - record.idle_steps
    assert dataset.meta.episodes[0]["length"] == kept
    action = view.read("action", 0)
    item = dataset[2]
    np.testing.assert_allclose(
        item["action"], action[record.idle_steps + 2 : record.idle_steps + 5], rtol=1e-6
    )
    gripper = adapter.names.index("executed.6")
    np.testing.assert_allclose(
        item["observation.state"][gripper], action[record.idle_steps + 1, 6], rtol=1e-6
    )
    assert item["task"] == record.task


def test_exporting_prints_nothing_and_leaves_lerobot_as_it_was(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from datasets.utils import are_progress_bars_disabled
    from lerobot.datasets import dataset_writer, io_utils

    export_lerobot(StoreView(store), tmp_path / "dataset", train.pose_adapter({}))
    assert capfd.readouterr() == ("", "")
    assert dataset_writer.embed_images is io_utils.embed_images
    assert not are_progress_bars_disabled()


def test_what_is_trained_on_is_what_the_policy_will_read(store: Path) -> None:
    view, adapter = StoreView(store), train.pose_adapter({})
    rows, read = policy_rows(view, 0, adapter)
    state, perceived = view.read("state", 0)[rows], view.read("perceived", 0)[rows]
    executed = None
    for row in range(5):
        seen = {"state": state[row], "perceived": perceived[row]}
        expected = adapter.vector(seen, executed).astype(np.float32)
        np.testing.assert_array_equal(read["observation.state"][row], expected)
        executed = view.read("action", 0)[rows][row]


def test_chunks_end_with_their_episode(trained: Path) -> None:
    data = Demonstrations.read(trained.parent / "dataset")
    last = int(data.ends[0]) - 1
    batch = data.batch(np.array([0, last - 1, last]), 4)
    assert batch["action_is_pad"].tolist() == [
        [False] * 4,
        [False, False, True, True],
        [False, True, True, True],
    ]
    np.testing.assert_array_equal(batch["action"][0], data.action[:4])
    np.testing.assert_array_equal(batch["action"][2], np.repeat(data.action[last][None], 4, 0))
    assert np.array_equal(data.bootstrap(None), np.arange(data.ends[-1]))
    assert not np.array_equal(data.bootstrap(1), data.bootstrap(2))


def test_the_members_share_their_eyes_and_differ_in_their_experts(trained: Path) -> None:
    from safetensors.torch import load_file

    base = load_file(trained / "base" / "model.safetensors")
    experts = [load_file(trained / "experts" / f"{k}.safetensors") for k in (1, 2)]
    for expert in experts:
        assert set(expert) == {name for name in base if train.is_expert(name)}
    for name, first in experts[0].items():
        if name.endswith("proj.weight"):
            assert (first - base[name]).abs().max() > 1e-3
            assert (first - experts[1][name]).abs().max() > 1e-3
    description = json.loads((trained / "ensemble.json").read_text())
    assert description["experts"] == ["experts/1.safetensors", "experts/2.safetensors"]


def test_the_ensemble_acts_wherever_its_folder_stands(trained: Path, tmp_path: Path) -> None:
    moved = trained.rename(tmp_path / "elsewhere")
    try:
        policy = make_policy(str(moved))
        assert policy.ensemble_size == 3
        policy.reset(EpisodeStart(3, "pick up the red cube and place it in the blue bin", 1 / 30))
        environment = PandaPickPlace(image_size=0)
        observation, _ = environment.reset(seed=3)
        decision = policy.act(observation)
        assert DELTA_EE.check(decision.action).shape == (7,)
    finally:
        moved.rename(trained)


def test_what_is_done_is_not_done_again(store: Path, trained: Path) -> None:
    done: list[str] = []
    settings = train.TrainingSettings(members=3, steps=3, expert_steps=3, batch_size=4)
    (trained / "experts" / "2.safetensors").unlink()
    train.train_ensemble(
        [store],
        trained.parent,
        settings,
        architecture=TINY,
        report=lambda name, *_: done.append(name),
    )
    assert set(done) == {"member 2"}


def test_what_cannot_be_exported_is_refused(store: Path, tmp_path: Path) -> None:
    view, adapter = StoreView(store), train.pose_adapter({})
    with pytest.raises(SalusError, match="no successful episode"):
        export_lerobot(view, tmp_path / "a", adapter, episodes=[])
    with pytest.raises(SalusError, match="exists"):
        export_lerobot(view, tmp_path, adapter)
    seeing = train.pose_adapter({}, {"observation.images.front": "front"})
    with pytest.raises(SalusError, match="no images of camera front"):
        export_lerobot(view, tmp_path / "a", seeing)
    other = dataclasses.replace(adapter, action_space=JOINT_POSITION)
    with pytest.raises(SalusError, match="delta_ee, the adapter takes joint_position"):
        export_lerobot(view, tmp_path / "a", other)
