"""Store to LeRobot and back: equal bit for bit; LeRobot's own reader gives the same numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bag_builders import drawn_episodes
from builders import make_arrays, make_contract, make_record

pytest.importorskip("lerobot.datasets.lerobot_dataset")

from salus_data.compare import differences
from salus_data.errors import FormatError, UnknownNameError
from salus_data.lerobot_io.export import export_dataset
from salus_data.lerobot_io.importing import import_dataset
from salus_data.lerobot_io.layout import NOTES
from salus_data.view import StoreView
from salus_data.writer import StoreWriter

pytestmark = [
    # Of NumPy, for the statistics of columns that hold no value at all.
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    # Of multiprocess, torchvision and PyArrow, which LeRobot imports.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def make_store(path: Path, *, images: bool) -> Path:
    """Three drawn episodes; the one in the middle has signals without a value."""
    contract, made = drawn_episodes(embedding=True)
    if not images:
        contract = type(contract)(**vars(contract) | {"cameras": ()})
    shape = made[0][1]["image_front"].shape[1:3]
    with StoreWriter.open(
        path,
        contract,
        images=dict.fromkeys(contract.cameras, shape) or None,
        provenance={"command": "test"},
        embedding_size=5,
    ) as writer:
        for record, arrays in made:
            kept = {k: v for k, v in arrays.items() if images or not k.startswith("image_")}
            writer.hold(record, kept)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A store with images, and its dataset."""
    folder = tmp_path_factory.mktemp("lerobot")
    store = make_store(folder / "store.zarr", images=True)
    export_dataset(StoreView(store), folder / "dataset")
    return store, folder / "dataset"


def test_a_store_with_images_comes_back_bit_for_bit(exported, tmp_path: Path) -> None:
    store, dataset = exported
    assert import_dataset(dataset, tmp_path / "back.zarr") == 3
    assert differences(StoreView(store), StoreView(tmp_path / "back.zarr")) == []


def test_a_store_without_images_comes_back_bit_for_bit(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store.zarr", images=False)
    export_dataset(StoreView(store), tmp_path / "dataset", images="none")
    import_dataset(tmp_path / "dataset", tmp_path / "back.zarr")
    assert differences(StoreView(store), StoreView(tmp_path / "back.zarr")) == []


def test_lerobots_own_reader_gives_signals_labels_stamps_and_frames(exported) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    store, folder = exported
    view = StoreView(store)
    dataset = LeRobotDataset("any/name", root=folder)
    assert (dataset.num_episodes, dataset.num_frames) == (3, view.n_rows)
    row = view.rows(1).start + 4
    item = dataset[row]
    assert item["episode_index"] == 1
    assert item["task"] == view.records[1].task
    assert int(item["salus.stamp"]) == view.read("stamp", 1)[4]
    for name in ("signals", "horizon_labels", "label_valid", "action_proposed"):
        expected = view.read(name, 1)[4].reshape(-1).astype(np.float64)
        np.testing.assert_allclose(
            np.asarray(item[f"salus.{name}"], np.float64), expected, rtol=1e-6
        )
    np.testing.assert_allclose(item["observation.state"], view.read("state", 1)[4], rtol=1e-6)
    frame = np.rint(item["observation.images.front"].numpy().transpose(1, 2, 0) * 255)
    np.testing.assert_array_equal(frame, view.read("image_front", 1)[4])
    last = dataset[view.rows(1).stop - 1]
    assert bool(last["next.done"])
    assert bool(last["next.success"]), "the second of the drawn episodes is a success"
    assert not bool(item["next.done"])


def test_a_changed_label_or_record_is_noticed(exported, tmp_path: Path) -> None:
    import shutil

    _, dataset = exported
    changed = tmp_path / "dataset"
    shutil.copytree(dataset, changed)
    notes = json.loads((changed / NOTES).read_text())
    notes["records"][0]["onset_step"] -= 3
    (changed / NOTES).write_text(json.dumps(notes))
    with pytest.raises(FormatError, match="horizon_labels is not what its record says"):
        import_dataset(changed, tmp_path / "back.zarr")
    notes["records"].pop()
    (changed / NOTES).write_text(json.dumps(notes))
    with pytest.raises(FormatError, match=r"3 episodes, .* 2 records"):
        import_dataset(changed, tmp_path / "other.zarr")


def test_what_cannot_be_done_is_named(exported, tmp_path: Path) -> None:
    store, dataset = exported
    view = StoreView(store)
    with pytest.raises(FormatError, match="exists"):
        export_dataset(view, dataset)
    with pytest.raises(UnknownNameError, match="jpeg"):
        export_dataset(view, tmp_path / "d", images="jpeg")  # type: ignore[arg-type]
    with pytest.raises(FormatError, match="not a LeRobotDataset"):
        import_dataset(tmp_path, tmp_path / "s.zarr")
    (dataset / NOTES).rename(tmp_path / "notes.json")
    try:
        with pytest.raises(FormatError, match="no dataset that `salus export-lerobot` wrote"):
            import_dataset(dataset, tmp_path / "s.zarr")
    finally:
        (tmp_path / "notes.json").rename(dataset / NOTES)


def test_video_changes_frames_a_little_and_nothing_else(exported, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="a video needs 64 pixels"):
        export_dataset(StoreView(exported[0]), tmp_path / "small", images="video")
    contract = make_contract(cameras=("front",))
    record = make_record(0, length=12)
    arrays = make_arrays(contract, record, length=12, frame=(64, 64))
    store = tmp_path / "store.zarr"
    with StoreWriter.open(store, contract, images={"front": (64, 64)}, provenance={}) as writer:
        writer.hold(record, {k: v for k, v in arrays.items() if k != "image_wrist"})
    export_dataset(StoreView(store), tmp_path / "dataset", images="video")
    import_dataset(tmp_path / "dataset", tmp_path / "back.zarr")
    one, other = StoreView(store), StoreView(tmp_path / "back.zarr")
    assert differences(one, other) == [f"episode {record.id}: image_front differs"]
    distance = np.abs(one.read("image_front", 0).astype(int) - other.read("image_front", 0))
    assert distance.mean() < 12


def test_lerobots_own_trainer_takes_the_dataset(tmp_path: Path) -> None:
    """Two steps of ACT with a small, untrained backbone; nothing is fetched."""
    contract, record = make_contract(cameras=("front",)), make_record(0, length=12)
    arrays = make_arrays(contract, record, length=12, frame=(32, 32))
    store = tmp_path / "store.zarr"
    with StoreWriter.open(store, contract, images={"front": (32, 32)}, provenance={}) as writer:
        writer.hold(record, {k: v for k, v in arrays.items() if k != "image_wrist"})
    export_dataset(StoreView(store), tmp_path / "dataset")
    small = ("chunk_size=4", "n_action_steps=4", "dim_model=16", "n_heads=2", "latent_dim=4")
    layers = ("dim_feedforward=16", "n_encoder_layers=1", "n_vae_encoder_layers=1")
    policy = ("type=act", "device=cpu", "push_to_hub=false", "pretrained_backbone_weights=null")
    options = [f"--policy.{option}" for option in (*policy, *small, *layers)]
    options += ["--dataset.repo_id=any/name", f"--dataset.root={tmp_path / 'dataset'}"]
    options += ["--steps=2", "--batch_size=2", "--num_workers=0", "--log_freq=1"]
    options += [f"--output_dir={tmp_path / 'out'}", "--env_eval_freq=0"]
    done = subprocess.run(
        [sys.executable, "-m", "lerobot.scripts.lerobot_train", *options],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list((tmp_path / "out").rglob("model.safetensors"))
