"""SmolVLA ensembles: equal to LeRobot for one member, sound for several, refused when broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import save_checkpoint, save_ensemble
from safetensors.torch import load_file, save_file

from salus_collector.plan import plan_episode
from salus_collector.policy.base import EpisodeStart
from salus_collector.policy.registry import check_policy, make_policy
from salus_collector.policy.settings import PolicySettings
from salus_collector.policy.signals.table import POLICY_SIGNALS
from salus_collector.policy.smolvla.checkpoint import load_checkpoint
from salus_collector.policy.smolvla.embedding_fit import fit_statistics, write_statistics
from salus_collector.policy.smolvla.ensemble import SharedPrefix, find_source, load_members
from salus_collector.policy.smolvla.policy import SmolVLA, load_smolvla
from salus_collector.rollout import RolloutStep, rollout
from salus_collector.sim.disturbance_config import load_mix
from salus_collector.sim.environment import PandaPickPlace
from salus_data.errors import FormatError, PolicyError, SalusError, UnknownNameError
from salus_data.layout import PERCEIVED, STATE
from salus_data.types import Validity

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

START = EpisodeStart(seed=5, task="pick up the red cube", step_period=1 / 30)
NAMES = [signal.name for signal in POLICY_SIGNALS]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_ensemble(tmp_path_factory.mktemp("policy") / "tiny")


@pytest.fixture(scope="module")
def policy(ensemble: Path) -> SmolVLA:
    return load_smolvla(str(ensemble), PolicySettings(signals_every=1))


@pytest.fixture
def broken(ensemble: Path, tmp_path: Path) -> Path:
    """A copy of a sound checkpoint, to be broken."""
    return Path(shutil.copytree(ensemble / "base", tmp_path / "copy"))


def observe(seed: int = 0, size: int = 8) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    quaternion = np.array([1.0, 0, 0, 0])
    state = random.normal(0, 0.3, len(STATE))
    state[-4:] = quaternion
    perceived = random.normal(0, 0.3, len(PERCEIVED))
    for start in (3, 13, 23):
        perceived[start : start + 4] = quaternion
    image = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
    return {"state": state, "perceived": perceived, "image_front": image}


def noise_of(policy: SmolVLA, step: int, noises: int) -> np.ndarray:
    """The noise of a step, as docs/POLICY.md says that it is drawn."""
    base = policy._members
    sequence = np.random.SeedSequence(START.seed, spawn_key=(2, step))
    return np.random.default_rng(sequence).standard_normal(
        base.noise_shape(noises), dtype=np.float32
    )


def lerobot_actions(folder: Path, policy: SmolVLA, observation: dict[str, Any], noise: Any) -> Any:
    """What LeRobot's own policy and processors make of the same observation and noise."""
    from salus_collector.policy.smolvla.small import absent_images

    own = load_checkpoint(str(folder))
    batch = {
        "observation.state": torch.from_numpy(
            own.adapter.vector(observation, None).astype(np.float32)
        ),
        "task": START.task,
    }
    for feature, camera in own.adapter.cameras.items():
        batch[feature] = torch.from_numpy(observation[f"image_{camera}"]).permute(2, 0, 1) / 255
    prepared = own.preprocess(batch) | absent_images(own.policy.config, 1)
    own.policy.reset()
    actions = [
        own.postprocess(own.policy.select_action(dict(prepared), noise=torch.from_numpy(noise)))
        for _ in range(own.adapter.n_action_steps)
    ]
    return torch.cat(actions).numpy()


@pytest.mark.parametrize("cameras", [(), ("front",)], ids=["poses", "camera"])
def test_one_member_acts_as_lerobots_select_action(
    tmp_path: Path, cameras: tuple[str, ...]
) -> None:
    folder = save_checkpoint(tmp_path / "one", cameras=cameras)
    policy = load_smolvla(str(folder), PolicySettings(noises=3, signals_every=2))
    observation = observe()
    policy.reset(START)
    expected = lerobot_actions(folder, policy, observation, noise_of(policy, 0, 3)[:1])
    space = policy.action_space
    for step in range(4):
        decision = policy.act(observation)
        policy.executed(decision.action)
        wanted = np.clip(expected[step], space.low, space.high)
        np.testing.assert_allclose(decision.action, wanted, atol=1e-5)
        assert decision.chunk_phase == step
    assert policy.act(observation).chunk_phase == 0
    assert policy.needs_images == bool(cameras)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attention_mode": "self_attn"},
        {"num_expert_layers": 1, "self_attn_every_n_layers": 2},
        {"self_attn_every_n_layers": -1, "pad_language_to": "max_length"},
    ],
    ids=["interleaved", "self-attention", "fewer-layers", "cross-attention-padded"],
)
def test_members_answer_as_their_own_whole_policies(tmp_path: Path, settings: Any) -> None:
    folder = save_ensemble(tmp_path / "ensemble", settings=settings)
    members = load_members(find_source(str(folder)))
    assert isinstance(members, SharedPrefix)
    noise = np.random.default_rng(0).standard_normal(members.noise_shape(2), dtype=np.float32)
    inputs = {"observation.state": torch.randn(members.adapter.size), "task": START.task}
    answers = members.sample(inputs, noise).actions
    base = members.checkpoint
    from salus_collector.policy.smolvla.small import absent_images

    prepared = base.preprocess(dict(inputs)) | absent_images(base.policy.config, 1)
    for k in range(members.size):
        if k:
            own = load_file(folder / "experts" / f"{k}.safetensors")
            base.policy.load_state_dict(own, strict=False)
        for s in range(2):
            chunk = base.policy.predict_action_chunk(
                dict(prepared), noise=torch.from_numpy(noise[s : s + 1])
            )
            np.testing.assert_allclose(answers[k, s], base.postprocess(chunk)[0], atol=1e-5)


def test_bfloat16_is_close_to_float32(ensemble: Path) -> None:
    inputs = {"observation.state": torch.zeros(36), "task": START.task}
    answers = []
    for dtype in ("float32", "bfloat16"):
        members = load_members(find_source(str(ensemble)), dtype=dtype)
        inputs["observation.state"] = torch.zeros(members.adapter.size)
        noise = np.random.default_rng(0).standard_normal(members.noise_shape(2), dtype=np.float32)
        answers.append(members.sample(inputs, noise).actions)
    assert not np.array_equal(*answers)
    half_range = (np.array(members.adapter.action_space.high)).max()
    np.testing.assert_allclose(answers[1] / half_range, answers[0] / half_range, atol=0.05)


def test_the_executed_action_is_the_members_mean_under_the_first_noise(policy: SmolVLA) -> None:
    policy.reset(START)
    observation = observe()
    decision = policy.act(observation)
    policy.reset(START)
    samples = policy._sample(observation)
    mean = samples.actions[:, 0, 0].mean(axis=0)
    space = policy.action_space
    np.testing.assert_array_equal(decision.action, np.clip(mean, space.low, space.high))
    assert decision.chunk is not None
    np.testing.assert_array_equal(decision.chunk[0], decision.action)


def run(policy: Any, seed: int = 3) -> list[RolloutStep]:
    environment = PandaPickPlace(image_size=0, step_limit=60, idle_steps_max=20)
    steps: list[RolloutStep] = []
    rollout(environment, policy, plan_episode(seed, 0, load_mix("none")), on_step=steps.append)
    environment.close()
    return steps


def test_an_episode_without_images_repeats_bit_by_bit(ensemble: Path, policy: SmolVLA) -> None:
    steps, again = run(policy), run(load_smolvla(str(ensemble), PolicySettings(signals_every=1)))
    assert len(steps) == len(again)
    for one, other in zip(steps, again, strict=True):
        np.testing.assert_array_equal(one.action, other.action)
        np.testing.assert_array_equal(one.decision.signals, other.decision.signals)
        np.testing.assert_array_equal(one.decision.validity, other.decision.validity)
    values = np.stack([step.decision.signals for step in steps])
    reasons = np.stack([step.decision.validity for step in steps])
    np.testing.assert_array_equal(np.isfinite(values), reasons == Validity.VALID)
    assert (values[-1, NAMES.index("epistemic")]) > 0
    assert any(
        not np.array_equal(a.action, b.action) for a, b in zip(steps, run(policy, 4), strict=False)
    )


def test_another_action_than_the_proposed_one_makes_the_chunk_void(policy: SmolVLA) -> None:
    policy.reset(START)
    first = policy.act(observe())
    policy.executed(first.action)
    second = policy.act(observe(1))
    assert (first.chunk_phase, second.chunk_phase) == (0, 1)
    assert first.chunk is not None
    np.testing.assert_array_equal(second.action, first.chunk[1])
    policy.executed(second.action + 1e-3)
    assert policy.act(observe(2)).chunk_phase == 0
    policy.replan()
    assert policy.act(observe(3)).chunk_phase == 0


def test_what_is_heard_enters_the_state(policy: SmolVLA) -> None:
    actions = []
    for opening in (0.0, 1.0):
        policy.reset(START)
        heard = policy.act(observe()).action.copy()
        heard[6] = opening
        policy.executed(heard)
        policy.replan()
        actions.append(policy.act(observe()).action)
    assert not np.array_equal(*actions)


def test_the_embedding_is_given_on_request(ensemble: Path, policy: SmolVLA) -> None:
    asked = load_smolvla(str(ensemble), PolicySettings(embedding=True))
    asked.reset(START)
    embedding = asked.act(observe()).embedding
    assert embedding is not None
    assert embedding.shape == (asked.embedding_size,)
    assert policy.embedding_size == 0
    assert policy.act(observe()).embedding is None


def test_one_member_is_no_ensemble(ensemble: Path) -> None:
    one = load_smolvla(str(ensemble / "base"))
    assert one.ensemble_size == 1
    one.reset(START)
    decision = one.act(observe())
    for signal, value, code in zip(
        POLICY_SIGNALS,
        decision.signals,
        decision.validity,
        strict=False,  # then the plan
    ):
        assert (code == Validity.NO_ENSEMBLE) == signal.ensemble
        assert np.isnan(value) == (code != Validity.VALID)


def test_checkpoints_with_the_same_prefix_are_an_ensemble(ensemble: Path, broken: Path) -> None:
    tensors = load_file(broken / "model.safetensors")
    tensors |= load_file(ensemble / "experts" / "1.safetensors")
    save_file(tensors, broken / "model.safetensors")
    members = load_members(find_source(f"{ensemble / 'base'},{broken}"))
    assert isinstance(members, SharedPrefix)
    assert members.size == 2
    whole = load_members(find_source(str(ensemble)))
    noise = np.random.default_rng(0).standard_normal(members.noise_shape(1), dtype=np.float32)
    inputs = {"observation.state": torch.zeros(members.adapter.size), "task": START.task}
    np.testing.assert_allclose(
        members.sample(inputs, noise).actions, whole.sample(inputs, noise).actions[:2], atol=1e-6
    )


def test_checkpoints_with_other_prefixes_run_one_by_one(
    ensemble: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = save_checkpoint(tmp_path / "other", seed=9)
    policy = load_smolvla(f"{ensemble / 'base'},{other}")
    assert "each computes a prefix of its own" in caplog.text
    policy.reset(START)
    assert policy.act(observe()).signals[NAMES.index("epistemic")] > 0


def test_a_folder_may_move(broken: Path, ensemble: Path) -> None:
    assert load_smolvla(str(broken)).digest == load_smolvla(str(ensemble / "base")).digest


def test_other_statistics_make_another_policy(ensemble: Path, tmp_path: Path) -> None:
    """They decide two of its signals."""
    folder = tmp_path / "ensemble"
    shutil.copytree(ensemble, folder)
    before = load_smolvla(str(folder))
    assert before.digest == load_smolvla(str(ensemble)).digest
    embeddings = np.random.default_rng(0).normal(size=(20, 48))
    write_statistics(folder, fit_statistics(embeddings))
    assert load_smolvla(str(folder)).digest != before.digest


def edit(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return apply


def edit_tensors(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = next(folder.glob(name))
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return apply


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


STATE_FEATURE = {"input_features": {"observation.state": {"type": "STATE", "shape": [3]}}}
FRONT = {"observation.images.front": {"type": "VISUAL", "shape": [3, 8, 8]}}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove("model.safetensors"), r"model.safetensors: no such file"),
        (remove("config.json"), r"config.json: no such file"),
        (remove("policy_postprocessor.json"), r"policy_postprocessor.json: no such file"),
        (remove("salus_adapter.json"), r"salus_adapter.json: no such file"),
        (remove("vlm/config.json"), "vision-language model .* has no configuration"),
        (lambda f: (f / "config.json").write_text("{"), "not a LeRobot configuration"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), "does not fit config.json"),
        (edit("config.json", lambda c: c | {"type": "act"}), "type is 'act'"),
        (edit("config.json", lambda c: c | {"wrong": 1}), "not a SmolVLA configuration"),
        (
            edit("config.json", lambda c: c | {"input_features": c["input_features"] | FRONT}),
            r"reads the cameras \['observation.images.front'\]",
        ),
        (
            edit(
                "config.json",
                lambda c: c | {"output_features": {"action": {"type": "ACTION", "shape": [6]}}},
            ),
            r"action has shape \[6\], action space delta_ee",
        ),
        (
            edit("salus_adapter.json", lambda a: a | {"state": a["state"][1:]}),
            r"observation.state has shape \[\d+\], the \d+ entries",
        ),
        (
            edit("salus_adapter.json", lambda a: a | {"n_action_steps": 99}),
            "n_action_steps is 99; a chunk has 8",
        ),
        (
            edit_tensors("model.safetensors", lambda t: t.pop("model.state_proj.bias")),
            "does not fit config.json.*state_proj.bias",
        ),
        (
            edit_tensors("model.safetensors", lambda t: t.update(extra=torch.zeros(1))),
            "does not fit config.json.*extra",
        ),
        (
            edit_tensors("model.safetensors", lambda t: t["model.state_proj.bias"].fill_(np.nan)),
            "state_proj.bias is not finite",
        ),
        (
            edit_tensors(
                "policy_preprocessor*.safetensors", lambda t: t.pop("observation.state.std")
            ),
            "statistics of observation.state lack std",
        ),
        (
            edit_tensors(
                "policy_postprocessor*.safetensors",
                lambda t: t.update({"action.std": torch.ones(6)}),
            ),
            r"std of action has shape \[6\]",
        ),
        (
            edit_tensors(
                "policy_postprocessor*.safetensors", lambda t: t["action.mean"].fill_(np.nan)
            ),
            "mean of action is not finite",
        ),
    ],
)
def test_a_broken_checkpoint_is_refused(
    broken: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(broken)
    with pytest.raises((PolicyError, FormatError), match=message) as caught:
        load_smolvla(str(broken))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove("ensemble.json"), "config.json: no such file"),
        (remove("experts/2.safetensors"), "2.safetensors: no such file"),
        (edit("ensemble.json", lambda e: e | {"schema_version": 9}), "schema_version is 9"),
        (edit("ensemble.json", lambda e: {"name": "x"}), r"lacks \['base', 'experts'"),
        (
            lambda f: shutil.copy(f / "experts/1.safetensors", f / "experts/2.safetensors"),
            "is a copy of",
        ),
        (
            edit_tensors("experts/1.safetensors", lambda t: t.update(other=torch.zeros(1))),
            "other is no tensor of the base's action expert",
        ),
        (
            edit_tensors(
                "experts/1.safetensors",
                lambda t: t.update({"model.action_out_proj.bias": torch.zeros(1)}),
            ),
            r"action_out_proj.bias has shape \[1\]",
        ),
    ],
)
def test_a_broken_ensemble_is_refused(
    ensemble: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    folder = Path(shutil.copytree(ensemble, tmp_path / "copy"))
    spoil(folder)
    with pytest.raises(PolicyError, match=message):
        load_smolvla(str(folder))


def test_an_adapter_may_be_given_beside_a_checkpoint(broken: Path, tmp_path: Path) -> None:
    shutil.move(broken / "salus_adapter.json", tmp_path / "salus_adapter.json")
    settings = PolicySettings(adapter=tmp_path / "salus_adapter.json")
    assert load_smolvla(str(broken), settings).action_space.name == "delta_ee"


def test_copies_are_no_ensemble(ensemble: Path, broken: Path) -> None:
    with pytest.raises(PolicyError, match="copies agree on everything"):
        load_smolvla(f"{ensemble / 'base'},{broken}")


def test_nan_in_and_out_is_refused(ensemble: Path, policy: SmolVLA) -> None:
    policy.reset(START)
    observation = observe()
    observation["state"][27] = np.nan
    with pytest.raises(PolicyError, match=r"step 0: observation.state\[0\] \(ee.x\) is nan"):
        policy.act(observation)
    own = load_smolvla(str(ensemble))
    own._members._experts._action_out.bias.fill_(np.nan)
    own.reset(START)
    with pytest.raises(PolicyError, match="answers step 0 with actions that are not finite"):
        own.act(observe())


def test_a_camera_that_is_not_there_is_named(tmp_path: Path) -> None:
    policy = load_smolvla(str(save_checkpoint(tmp_path / "sees", cameras=("front",))))
    policy.reset(START)
    observation = observe()
    del observation["image_front"]
    with pytest.raises(PolicyError, match="reads camera 'front'"):
        policy.act(observation)


def test_names_that_stand_for_no_policy_are_refused(tmp_path: Path, ensemble: Path) -> None:
    with pytest.raises(UnknownNameError, match="expert, smolvla"):
        make_policy("nothing")
    with pytest.raises(PolicyError, match="no such folder"):
        check_policy(f"{tmp_path}/nowhere")
    with pytest.raises(SalusError):
        check_policy(f"{ensemble},{tmp_path}/nowhere")
    check_policy(str(ensemble))
    with pytest.raises(PolicyError, match="cannot be used"):
        load_smolvla(str(ensemble), PolicySettings(device="nonsense"))
    with pytest.raises(UnknownNameError, match="float32, bfloat16"):
        PolicySettings(dtype="float16")
