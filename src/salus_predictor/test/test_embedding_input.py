"""The policy's hidden state as an input: the same live as in a store, or refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from learning import make_data, write_store
from safetensors.numpy import load_file, save_file
from small_predictor import Fading, watched
from test_model_folder import trust
from test_online import CONTRACT, STEPS, Feed, episode

from salus_data.errors import ContractMismatchError, FormatError
from salus_predictor.calibration.calibrate import choose_thresholds
from salus_predictor.model.folder import MODEL, PROJECTION, Episodes, Model
from salus_predictor.model.inputs import choose_inputs, reads_embedding
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.projection import COMPONENTS, Projection
from salus_predictor.model.reading import load_model
from salus_predictor.model.schema import Provenance
from salus_predictor.model.writing import save_model
from salus_predictor.online.monitor import Monitor
from salus_predictor.online.trained import load
from salus_predictor.steps import StepData
from salus_predictor.studies.simulation.plan import Plan, signal_groups
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.metrics import watch
from salus_predictor.training.options import TrainOptions
from salus_predictor.training.run import TrainRun, data_digest, train_model

WIDTH = 24
"""Numbers of the made-up hidden state."""


def hide(data: StepData) -> StepData:
    """What the signals say goes into a hidden state; the signals become noise."""
    random = np.random.default_rng(5)
    mixing = random.normal(size=(data.signals.shape[1], WIDTH))
    hidden = np.nan_to_num(data.signals) @ mixing + 0.05 * random.normal(size=(data.n_rows, WIDTH))
    hidden[data.starts] = np.nan  # the policy waits
    noise = random.normal(size=data.signals.shape).astype(np.float32)
    return dataclasses.replace(data, signals=noise, embedding=hidden.astype(np.float16))


@pytest.fixture(scope="module")
def train() -> StepData:
    return hide(make_data(56))


@pytest.fixture(scope="module")
def held() -> StepData:
    return hide(make_data(40, first=56))


@pytest.fixture(scope="module")
def options(small: TrainOptions) -> TrainOptions:
    return dataclasses.replace(small, inputs=f"{small.inputs},embedding")


@pytest.fixture(scope="module")
def reader(train: StepData, held: StepData, options: TrainOptions) -> HazardPredictor:
    return fit_predictor(train, held, options)


@pytest.fixture
def folder(reader: HazardPredictor, train: StepData, held: StepData, tmp_path: Path) -> Path:
    seeds = (tuple(r.seed for r in data.records) for data in (train, held))
    calibration = choose_thresholds(reader, held, 0.2)
    save_model(Model(reader, calibration, Provenance(), Episodes(*seeds), "average"), tmp_path)
    return tmp_path


def test_it_learns_what_the_hidden_state_alone_tells(
    reader: HazardPredictor, held: StepData
) -> None:
    assert watch(held, reader.predict(held).probability).macro_ap > 0.5
    blind = dataclasses.replace(held, embedding=np.full_like(held.embedding, np.nan))
    assert watch(blind, reader.predict(blind).probability).macro_ap < 0.2


def test_a_stream_says_what_the_batch_says(reader: HazardPredictor, held: StepData) -> None:
    data = held.subset(range(6))
    batch, stream = reader.predict(data), reader.stream()
    columns = [data.signal_names.index(name) for name in reader.inputs]
    assert data.embedding is not None
    rows = np.concatenate([data.signals[:, columns], data.embedding.astype(np.float32)], axis=1)
    for number in range(len(data)):
        stream.reset()
        for row in range(data.rows(number).start, data.rows(number).stop):
            said = stream.step(rows[row])
            assert said.probability == pytest.approx(batch.probability[row], abs=1e-6)
            assert said.outcome == pytest.approx(batch.outcome[row], abs=1e-6)
    with pytest.raises(FormatError, match=rf"not \({len(columns) + WIDTH},\)"):
        stream.step(rows[0, :-1])


@given(st.integers(1, 40), st.integers(2, 60), st.integers(0, 99))
def test_components_are_uncorrelated_and_of_one_size(width: int, rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, width)) @ random.normal(size=(width, width))
    values = values.astype(np.float16)
    found = Projection.fit(values, seed)
    assert found.size == width
    assert 1 <= found.components <= min(width, rows - 1, COMPONENTS)
    out = found(values).astype(np.float64)
    assert out.mean(axis=0) == pytest.approx(0, abs=0.05)
    covariance = np.cov(out, rowvar=False).reshape(2 * (found.components,))
    assert covariance == pytest.approx(np.eye(found.components), abs=0.05)
    # One row alone gives the same bits: what a store says is what a running robot says.
    assert (np.concatenate([found(row[None]) for row in values]) == found(values)).all()


def test_rows_without_a_hidden_state_have_no_components_and_teach_nothing() -> None:
    values = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float16)
    gaps = values.copy()
    gaps[::7, 2] = np.nan
    found = Projection.fit(gaps, 0)
    assert np.isnan(found(gaps)[::7]).all()
    whole = np.delete(values, np.s_[::7], axis=0)
    assert (found.directions == Projection.fit(whole, 0).directions).all()


@pytest.mark.parametrize("values", [np.ones((9, 3)), np.full((9, 3), np.nan)])
def test_a_hidden_state_that_tells_nothing_is_refused(values: np.ndarray) -> None:
    with pytest.raises(FormatError, match="embedding"):
        Projection.fit(values.astype(np.float16), 0)


def test_sets_signals_and_the_embedding_stand_side_by_side(train: StepData) -> None:
    assert choose_inputs(train.contract, "portable,embedding") == choose_inputs(
        train.contract, "portable"
    )
    both = choose_inputs(train.contract, "portable,object_distance")
    assert both == (*choose_inputs(train.contract, "portable"), "object_distance")
    assert reads_embedding("portable, embedding")
    assert not reads_embedding("portable")
    with pytest.raises(FormatError, match="leave no signal"):
        choose_inputs(train.contract, "embedding")


def test_data_without_it_are_refused_with_what_to_do(
    reader: HazardPredictor, train: StepData, held: StepData, options: TrainOptions
) -> None:
    bare = dataclasses.replace(held, embedding=None)
    with pytest.raises(ContractMismatchError, match=r"24 numbers; the data has none"):
        reader.predict(bare)
    narrow = dataclasses.replace(held, embedding=held.embedding[:, :5])
    with pytest.raises(ContractMismatchError, match="one of 5"):
        reader.predict(narrow)
    with pytest.raises(ContractMismatchError, match=r"need the policy's .*collect --embedding"):
        fit_predictor(dataclasses.replace(train, embedding=None), bare, options)
    assert data_digest(bare) != data_digest(held)


def test_train_on_stores_that_lack_it_writes_nothing(tmp_path: Path, small: TrainOptions) -> None:
    store = write_store(tmp_path / "a.zarr", make_data(64))
    options = dataclasses.replace(small, inputs="portable,embedding")
    with pytest.raises(ContractMismatchError, match=r"a\.zarr"):
        train_model(TrainRun([store], tmp_path / "model", options, allow_leak=True))
    assert not (tmp_path / "model" / MODEL).exists()


def test_a_folder_keeps_it(folder: Path, reader: HazardPredictor, held: StepData) -> None:
    read = load_model(folder).predictor
    assert read.embedding_size == WIDTH
    before, after = reader.predict(held), read.predict(held)
    assert after.probability == pytest.approx(before.probability, abs=1e-6)
    watched = load(folder)
    assert watched.embedding_size == WIDTH
    assert len(watched.scale) == len(reader.inputs)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("mean", np.zeros(WIDTH - 1, np.float32), "shape"),
        ("directions", np.full((WIDTH, 6), np.nan, np.float32), "not finite"),
        ("directions", np.ones((WIDTH, 2), np.float32), "embedding is 24 in"),
        ("more", np.ones(1, np.float32), "it holds"),
    ],
)
def test_a_changed_projection_is_refused(
    folder: Path, name: str, value: np.ndarray, told: str
) -> None:
    path = folder / PROJECTION
    save_file(load_file(path) | {name: value}, path)
    with pytest.raises(FormatError, match="SHA-256"):
        load_model(folder)
    trust(folder, PROJECTION)
    with pytest.raises(FormatError, match=told):
        load_model(folder)


def test_a_model_that_no_longer_reads_it_leaves_no_file_of_it(
    folder: Path, fitted_model: Model
) -> None:
    save_model(fitted_model, folder)
    assert not (folder / PROJECTION).exists()
    assert yaml.safe_load((folder / MODEL).read_text())["embedding"] is None


def test_the_study_tries_it_where_it_is_recorded(train: StepData, held: StepData) -> None:
    plan = Plan((0,), TrainOptions(inputs="perceived"), "trees", ("inputs",))
    names = [job.name for job in plan.jobs(train, held)]
    assert "trees-perceived-embedding" in names
    bare = dataclasses.replace(train, embedding=None)
    assert not any("embedding" in job.name for job in plan.jobs(bare, held))
    assert signal_groups(train.contract, "portable,embedding")["embedding"] == ("embedding",)


HIDDEN = np.random.default_rng(3).normal(size=(STEPS, 4)).astype(np.float16)


def embedding_feed() -> Feed:
    """A feed whose model reads a hidden state of 4."""
    feed = Feed({**episode(), "embedding": HIDDEN.astype(np.float32)})
    predictor = Fading(CONTRACT, projection=Projection.fit(HIDDEN, 0))
    model = dataclasses.replace(watched(CONTRACT), predictor=predictor, embedding_size=4)
    feed.monitor = Monitor()
    feed.monitor.on_contract(CONTRACT, 1, 4)
    feed.monitor.load(model)
    feed.monitor.begin("e0", feed.start)
    return feed


def test_a_step_waits_for_the_hidden_state_and_the_model_gets_it() -> None:
    feed, plain = embedding_feed(), Feed()
    for t in range(3):
        plain.step(t)
        feed.step(t)
        assert len(feed.reports) == t
        feed.give("embedding", t)
        assert len(feed.reports) == t + 1
        assert feed.reports[t].stale == ""
        assert (feed.reports[t].probability != plain.reports[t].probability).any()


def test_a_hidden_state_that_never_comes_is_told() -> None:
    feed = embedding_feed()
    for t in range(4):
        feed.step(t)
    assert "lacks embedding" in feed.reports[0].stale


def test_a_graph_without_it_is_refused_and_a_model_before_stays() -> None:
    feed = embedding_feed()
    model = feed.monitor.model
    assert model is not None
    with pytest.raises(ContractMismatchError, match="embedding of 4 numbers, this graph gives 0"):
        feed.monitor.on_contract(CONTRACT, 1, 0)
    other = Feed()
    with pytest.raises(ContractMismatchError, match="embedding: true"):
        other.monitor.load(model)
    other.step(0)
    assert other.reports[0].stale == ""


def test_a_model_that_reads_it_waits_for_an_episode_of_which_it_missed_nothing() -> None:
    feed = embedding_feed()
    model = feed.monitor.model
    assert model is not None
    live = Monitor()
    live.on_contract(CONTRACT, 1, 4)
    live.begin("e0", feed.start)
    feed.monitor = live
    feed.step(0)  # without a model nobody waits for the hidden state
    assert "no model" in feed.reports[0].stale
    live.load(model)
    feed.step(1)
    feed.give("embedding", 1)
    assert "waits for the next episode" in feed.reports[-1].stale
    feed.start += 60 * 1_000_000_000
    live.begin("e1", feed.start)
    feed.step(0)
    feed.give("embedding", 0)
    assert feed.reports[-1].stale == ""
