"""Windows for training, with and without worker processes."""

import copy

import numpy as np
import pytest

from salus_data.errors import FormatError, UnknownNameError
from salus_data.faults import CONTRACT, IMAGES, noise_episode
from salus_data.view import StoreView
from salus_data.writer import StoreWriter

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

from salus_data.torch_view import WindowDataset  # noqa: E402

WINDOW = 8


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    path = tmp_path_factory.mktemp("torch") / "set.zarr"
    with StoreWriter.open(path, CONTRACT, images=IMAGES, provenance={}) as writer:
        for index in range(3):
            writer.hold(*noise_episode(index))
    return StoreView(path)


def test_a_window_is_the_steps_up_to_its_row(view):
    data = WindowDataset(view, ["state", "image_front"], WINDOW)
    item = data[20]
    row, episode = int(item["row"]), int(item["episode"])
    assert view.rows(episode).start + WINDOW <= row
    for name in ("state", "image_front"):
        expected = view.window(name, row - WINDOW + 1, row + 1)
        assert np.array_equal(item[name].numpy(), expected)
    assert np.array_equal(item["label"].numpy(), view.window("horizon_labels", row, row + 1)[0])
    assert np.array_equal(item["valid"].numpy(), view.window("label_valid", row, row + 1)[0])
    assert item["present"].all()


def test_no_window_reaches_into_the_episode_before(view):
    start = view.rows(1).start
    data = WindowDataset(view, ["stamp", "image_front"], WINDOW, episodes=[1], only_valid=False)
    item = data[2]
    assert int(item["row"]) == start + 2
    assert item["present"].tolist() == [False] * 5 + [True] * 3
    stamps = view.read("stamp", 1)
    assert item["stamp"].tolist() == [stamps[0]] * 6 + [stamps[1], stamps[2]]
    frames = view.read("image_front", 1)
    assert np.array_equal(item["image_front"].numpy(), frames[[0] * 6 + [1, 2]])


def test_rows_without_a_valid_label_are_left_out_unless_asked_for(view):
    every = WindowDataset(view, ["state"], WINDOW, only_valid=False)
    asked = WindowDataset(view, ["state"], WINDOW)
    assert len(every) == view.n_rows
    assert len(asked) == np.count_nonzero(view.read_all("label_valid").any(axis=(1, 2)))
    assert len(asked) < len(every)
    assert all(bool(asked[i]["valid"].any()) for i in range(len(asked)))


# Python warns of any fork beside threads, and a DataLoader forks by default.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_give_the_same_batches(view):
    data = WindowDataset(view, ["signals", "image_front"], WINDOW)
    alone = list(DataLoader(data, batch_size=32))
    shared = list(DataLoader(data, batch_size=32, num_workers=2))
    assert len(alone) == len(shared) > 2
    for ours, theirs in zip(alone, shared, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert torch.equal(ours[name].nan_to_num(), theirs[name].nan_to_num())


def test_a_worker_that_was_sent_the_dataset_opens_the_stores_itself(view):
    data = WindowDataset(view, ["image_front"], WINDOW)
    sent = copy.copy(data)  # goes through __getstate__, as sending to a started process does
    assert torch.equal(sent[9]["image_front"], data[9]["image_front"])


def test_impossible_requests_are_refused(view):
    with pytest.raises(UnknownNameError, match=r"known: .*state"):
        WindowDataset(view, ["states"], WINDOW)
    with pytest.raises(FormatError, match="window is 0"):
        WindowDataset(view, ["state"], 0)
    with pytest.raises(UnknownNameError, match="episode"):
        WindowDataset(view, ["state"], WINDOW, episodes=[3])
