"""Signals of fewer members from recorded episodes: what stays, what changes, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lerobot")
pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and LeRobot

from checkpoints import save_ensemble  # noqa: E402

from salus_collector.direct import DirectCollection, DirectSettings  # noqa: E402
from salus_collector.policy.base import EpisodeStart  # noqa: E402
from salus_collector.policy.expert import Expert  # noqa: E402
from salus_collector.policy.runner import PolicyRunner  # noqa: E402
from salus_collector.policy.settings import PolicySettings  # noqa: E402
from salus_collector.policy.smolvla.ensemble import find_source, load_members  # noqa: E402
from salus_collector.policy.smolvla.policy import SmolVLA, load_smolvla  # noqa: E402
from salus_collector.resampled_stores import check_store, write_resampled  # noqa: E402
from salus_collector.resampling import Resampler  # noqa: E402
from salus_collector.sim.disturbance_config import NO_DISTURBANCES  # noqa: E402
from salus_collector.sim.environment import PandaPickPlace  # noqa: E402
from salus_collector.sim.session import Session  # noqa: E402
from salus_data.errors import ContractMismatchError, PolicyError  # noqa: E402
from salus_data.view import StoreView  # noqa: E402

EPISODES = 2
MEMBERS = 3


def collect(policy: SmolVLA, path: Path, cameras: tuple[str, ...]) -> Path:
    """Two short episodes of an undisturbed scene."""
    with PandaPickPlace(image_size=32, step_limit=48) as environment:
        session = Session(environment, NO_DISTURBANCES, 5, policy=policy.name)
        settings = DirectSettings(path, {}, (5, 10), cameras, session.task, "")
        collection = DirectCollection(session, policy, settings)
        for index in range(EPISODES):
            for _ in collection.episode(index):
                pass
        collection.close()
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy") / "tiny"
    return save_ensemble(folder, members=MEMBERS, cameras=("front",))


@pytest.fixture
def policy(folder: Path) -> SmolVLA:
    return load_smolvla(str(folder))


@pytest.fixture(scope="module")
def recorded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> StoreView:
    path = tmp_path_factory.mktemp("recorded") / "w0.zarr"
    return StoreView(collect(load_smolvla(str(folder)), path, ("front",)))


def told(view: StoreView) -> list[dict[str, Any]]:
    return [record.to_json() for record in view.records]


def resample(
    view: StoreView, policy: SmolVLA, out: Path, sizes: tuple[int, ...] = (2, 3), **options: Any
) -> Resampler:
    resampler = Resampler(policy, sizes)
    paths = {size: out / f"{size}.zarr" for size in sizes}
    assert write_resampled(view, resampler, paths, command="test", **options)
    return resampler


def test_all_members_give_the_recorded_signals_and_fewer_give_others(
    recorded: StoreView, policy: SmolVLA, tmp_path: Path
) -> None:
    resampler = resample(recorded, policy, tmp_path)
    assert resampler.episodes == EPISODES
    assert resampler.difference <= 1e-6  # float32 in the store, the same arithmetic
    two, three = StoreView(tmp_path / "2.zarr"), StoreView(tmp_path / "3.zarr")
    assert told(three) == told(two) == told(recorded)
    names = [column.name for column in recorded.contract.signals]
    own = [names.index(column.name) for column in policy.signals]
    others = [k for k in range(len(names)) if k not in own]
    for number in range(EPISODES):
        before = recorded.read("signals", number)
        np.testing.assert_allclose(three.read("signals", number), before, rtol=1e-6, atol=1e-6)
        fewer = two.read("signals", number)
        np.testing.assert_array_equal(fewer[:, others], before[:, others])
        idle, k = recorded.records[number].idle_steps, names.index("epistemic")
        assert len(fewer) > idle + 8
        assert (fewer[idle:, k] != before[idle:, k]).all()
        for name in ("action", "state", "signal_validity", "horizon_labels"):
            np.testing.assert_array_equal(two.read(name, number), recorded.read(name, number))


def test_the_new_stores_say_what_they_are(
    recorded: StoreView, policy: SmolVLA, tmp_path: Path
) -> None:
    resample(recorded, policy, tmp_path)
    two, three = (StoreView(tmp_path / f"{n}.zarr").contract for n in (2, 3))
    assert (two.ensemble_size, three.ensemble_size) == (2, 3)
    assert three.policy_digest == recorded.contract.policy_digest != two.policy_digest
    assert two.cameras == ()
    assert "image_front" not in StoreView(tmp_path / "2.zarr").names


def test_fewer_members_are_what_an_ensemble_of_so_many_samples(
    recorded: StoreView, policy: SmolVLA, folder: Path, tmp_path: Path
) -> None:
    """At its first look, before the behaviours part."""
    resample(recorded, policy, tmp_path, (2,))
    source = find_source(str(folder))
    checkpoints = type(source)("two", source.checkpoints, source.experts[:1], source.folder)
    small = SmolVLA("two", load_members(checkpoints))
    assert small.ensemble_size == 2
    record = recorded.records[0]
    small.reset(EpisodeStart(record.seed, recorded.contract.task, recorded.contract.step_period))
    arrays = ("state", "perceived", "image_front")
    seen = {name: recorded.read(name, 0)[record.idle_steps] for name in arrays}
    expected = small.act(seen).signals
    names = [column.name for column in recorded.contract.signals]
    own = [names.index(column.name) for column in policy.signals]
    found = StoreView(tmp_path / "2.zarr").read("signals", 0)[record.idle_steps, own]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_intervention_is_followed(policy: SmolVLA, recorded: StoreView) -> None:
    """The chunk was dropped when another action than the proposed one was executed."""
    start = EpisodeStart(3, recorded.contract.task, recorded.contract.step_period)
    rows: list[dict[str, Any]] = []
    with PandaPickPlace(image_size=32) as environment:
        observation, _ = environment.reset(seed=3)
        runner = PolicyRunner(policy)
        runner.begin(start, 2)
        for step in range(16):
            row = {name: np.array(value) for name, value in observation.items()}
            decision = runner.decide(observation)
            action = decision.action.copy()
            if step == 8:
                action[:3] = 0
            runner.executed(action)
            rows.append(
                row
                | {"action_proposed": decision.action, "action": action}
                | {"signals": decision.signals, "signal_validity": decision.validity}
            )
            observation, *_ = environment.step(action)
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    record = _record(recorded, seed=3, idle_steps=2)
    found = Resampler(policy, (3,)).episode(recorded.contract, record, _padded(arrays, recorded))
    width = len(policy.signals)
    np.testing.assert_allclose(found[3][0][:, :width], arrays["signals"], atol=1e-9)
    np.testing.assert_array_equal(found[3][1][:, :width], arrays["signal_validity"])


def _record(view: StoreView, **changed: Any) -> Any:
    import dataclasses

    return dataclasses.replace(view.records[0], **changed)


def _padded(arrays: dict[str, Any], view: StoreView) -> dict[str, Any]:
    """With columns for the robot's signals, which come after the policy's."""
    more = len(view.contract.signals) - arrays["signals"].shape[1]
    wide = {n: np.pad(arrays[n], ((0, 0), (0, more))) for n in ("signals", "signal_validity")}
    return arrays | wide


def test_it_goes_on_where_it_was_stopped(
    recorded: StoreView, policy: SmolVLA, tmp_path: Path
) -> None:
    assert resample(recorded, policy, tmp_path, episodes=1).episodes == 1
    assert len(StoreView(tmp_path / "2.zarr")) == 1
    assert resample(recorded, policy, tmp_path).episodes == EPISODES - 1
    assert resample(recorded, policy, tmp_path).episodes == 0
    assert told(StoreView(tmp_path / "2.zarr")) == told(recorded)


def test_sizes_that_an_ensemble_cannot_have_are_refused(policy: SmolVLA) -> None:
    with pytest.raises(PolicyError, match=r"--members has 1; 2 to 3.*disagree"):
        Resampler(policy, (1, 2))
    with pytest.raises(PolicyError, match="--members has 4; 2 to 3"):
        Resampler(policy, (2, 4))
    with pytest.raises(PolicyError, match="each once"):
        Resampler(policy, (2, 2))
    with pytest.raises(PolicyError, match="policy expert is no ensemble"):
        Resampler(Expert(), (2,))


def test_episodes_of_another_policy_and_without_images_are_refused(
    recorded: StoreView, policy: SmolVLA, folder: Path, tmp_path: Path
) -> None:
    check_store(policy, recorded.stores[0])
    other = load_smolvla(str(folder), PolicySettings(noises=3))
    with pytest.raises(
        PolicyError, match=r"w0\.zarr: recorded with policy tiny of digest .*noises"
    ):
        check_store(other, recorded.stores[0])
    blind = StoreView(collect(policy, tmp_path / "blind.zarr", ()))
    with pytest.raises(PolicyError, match=r"blind\.zarr: has no image_front.*--drop-images"):
        check_store(policy, blind.stores[0])


def test_actions_that_are_not_the_recorded_ones_stop_it(
    recorded: StoreView, policy: SmolVLA
) -> None:
    names = [name for name in recorded.names if "label" not in name]
    arrays = {name: recorded.read(name, 0) for name in names}
    arrays["action_proposed"][9, 0] += 0.01
    with pytest.raises(PolicyError, match=r"at step 9 the policy proposes .* recorded is"):
        Resampler(policy, (2,)).episode(recorded.contract, recorded.records[0], arrays)


def test_a_store_of_other_episodes_is_not_appended_to(
    recorded: StoreView, policy: SmolVLA, tmp_path: Path
) -> None:
    resample(recorded, policy, tmp_path, (2,))
    (tmp_path / "2.zarr").rename(tmp_path / "3.zarr")
    with pytest.raises(ContractMismatchError):
        resample(recorded, policy, tmp_path, (3,))
