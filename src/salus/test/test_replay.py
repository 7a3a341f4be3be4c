"""Forecasts are the same live, from a replayed bag and from the store; nobody waits for ever."""

import dataclasses
import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bag_builders import bag_items, drawn_episodes, write_bag
from hypothesis import given, settings
from hypothesis import strategies as st
from small_predictor import Fading, watched
from watched_graph import watched_graph

from salus_collector.nodes.bag_node import BagNode
from salus_data.bags.importing import import_bags
from salus_data.bags.replay import Lockstep, Replay
from salus_data.bags.source import Bag
from salus_data.contract import Contract
from salus_data.errors import FormatError
from salus_predictor.model.projection import Projection
from salus_predictor.nodes.predictor_node import PredictorNode
from salus_predictor.nodes.replay_node import ReplayNode
from salus_predictor.online.hear import HEARD, Hearing
from salus_predictor.online.monitor import Monitor
from salus_predictor.online.watched import WatchedModel
from salus_predictor.steps import StepData
from salus_ros.bag_topics import RECORDED
from salus_ros.domain import claimed_domain
from salus_ros.graph import Graph

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]
KNOWN = {topic.name: topic.type_name for topic in RECORDED}


def heard(model: WatchedModel, messages: list[tuple[str, object]]) -> np.ndarray:
    """Forecasts (N, H, C) of a monitor that runs the model and hears those messages."""
    monitor = Monitor()
    monitor.load(model)
    hearing = Hearing(monitor)
    reports = []
    for topic, message in messages:
        hearing.hear(topic, message)
        reports += monitor.reports()
    assert {report.stale for report in reports} == {""}
    return np.stack([report.probability for report in reports])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A contract, a bag of three drawn episodes and the forecasts of the imported store."""
    folder = tmp_path_factory.mktemp("drawn")
    contract, made = drawn_episodes()
    items = bag_items(contract, made)
    bag = write_bag(folder / "bag", items)
    import_bags([bag], folder / "store.zarr")
    data = StepData.read(folder / "store.zarr")
    return contract, bag, items, watched(contract).predictor.predict(data).probability


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_replayed_bag_and_the_store_forecast_the_same(drawn, seed: int) -> None:
    """Also where the messages of a step came in another order, some of them twice."""
    contract, path, _, stored = drawn
    order = random.Random(seed)
    messages: list[tuple[str, object]] = []
    step: list[tuple[str, object]] = []
    with Bag(path) as bag:
        replay = Replay(bag, None, KNOWN)
        for played in replay.messages():
            if played.topic not in HEARD:
                continue
            kind = replay.types[played.topic]
            entry = (played.topic, bag.typestore.deserialize_cdr(played.data, kind))
            if played.topic in ("contract", "episode"):
                messages.append(entry)
                continue
            step += [entry] * order.choice([1, 1, 2])
            if played.topic == "action":
                order.shuffle(step)
                messages += step
                step = []
    replayed = heard(watched(contract), messages)
    assert len(replayed) == len(stored)
    np.testing.assert_allclose(replayed, stored, atol=1e-6)


def test_a_model_of_the_hidden_state_forecasts_the_same_from_bag_and_store(tmp_path: Path) -> None:
    contract, made = drawn_episodes(embedding=True)
    path = write_bag(tmp_path / "bag", bag_items(contract, made))
    import_bags([path], tmp_path / "store.zarr")
    data = StepData.read(tmp_path / "store.zarr", embedding=True)
    assert data.embedding is not None
    projection = Projection.fit(data.embedding, 0)
    model = watched(contract)
    predictor = Fading(contract, projection=projection)
    model = dataclasses.replace(model, predictor=predictor, embedding_size=projection.size)
    with Bag(path) as bag:
        replay = Replay(bag, None, KNOWN)
        messages = [
            (m.topic, bag.typestore.deserialize_cdr(m.data, replay.types[m.topic]))
            for m in replay.messages()
            if m.topic in HEARD
        ]
    said = heard(model, messages)
    np.testing.assert_allclose(said, predictor.predict(data).probability, atol=1e-6)
    assert np.abs(said - watched(contract).predictor.predict(data).probability).max() > 0.01


def test_live_bag_and_store_forecast_the_same(tmp_path: Path) -> None:
    contracts: list[Contract] = []

    def load(_: str):
        from test_watched_graph import CONTRACT

        contracts.append(CONTRACT)
        return watched(CONTRACT)

    bag = tmp_path / "bag"
    with watched_graph(tmp_path, load, supervise="shadow", disturbances="none") as graph:
        graph.add("bag", BagNode, bag=str(bag))
        graph.run(0)
        live = np.array([f.probability for f in graph.heard["forecasts"]])
        graph.kill("bag")
        store = graph.store
    data = StepData.read(store)
    stored = watched(contracts[0]).predictor.predict(data).probability.reshape(live.shape)
    kept = []
    with claimed_domain() as domain, Graph(domain) as again:
        again.add(partial(PredictorNode, load), {"model": "m"})
        # Patience beyond any pause of a busy machine: a late forecast is a fault of the replay.
        settings = {"bag": str(bag), "patience": 30.0}
        player = again.add(partial(ReplayNode, kept.append), settings)
        assert again.spin_until(lambda: player.status is not None, 60)
        assert player.status == 0, player.line()
    replayed = np.array([f.probability for f in kept])
    assert replayed.shape == live.shape
    np.testing.assert_allclose(replayed, live, atol=1e-6)
    np.testing.assert_allclose(stored, live, atol=1e-6)
    assert [f.header.stamp.nanosec for f in kept] == [s % 10**9 for s in _stamps(store)]
    assert player.agreement.compared == len(live)
    assert player.agreement.difference <= 1e-6


def _stamps(store: Path) -> list[int]:
    from salus_data.store import Store

    return [int(s) for s in Store.open(store).read_all("stamp")]


def test_a_replay_that_nobody_answers_ends_and_says_so(drawn) -> None:
    with claimed_domain() as domain, Graph(domain) as graph:
        player = graph.add(ReplayNode, {"bag": str(drawn[1]), "start_timeout": 0.3})
        assert graph.spin_until(lambda: player.status is not None, 20)
        assert (player.status, player.forecasts) == (1, 0)


def test_a_step_that_cannot_be_forecast_does_not_hold_the_replay_up(drawn, tmp_path: Path) -> None:
    contract, _, items, stored = drawn
    lost = next(i for i, item in enumerate(items) if item.topic == "uncertainty")
    bag = write_bag(tmp_path / "bag", [item for i, item in enumerate(items) if i != lost])
    with claimed_domain() as domain, Graph(domain) as graph:
        graph.add(partial(PredictorNode, lambda _: watched(contract)), {"model": "m"})
        player = graph.add(ReplayNode, {"bag": str(bag), "patience": 0.3})
        assert graph.spin_until(lambda: player.status is not None, 30)
        assert player.status == 1
        # The first episode is told to be broken; the other two are forecast whole.
        assert player.forecasts >= len(stored) - 12
        assert 0 < player.unanswered <= 3


def test_a_bag_with_another_definition_is_not_played(drawn, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "b", drawn[2], without_field=("PolicyAction", "chunk_phase"))
    refused = pytest.raises(FormatError, match="PolicyAction was recorded with another definition")
    with claimed_domain() as domain, Graph(domain) as graph, refused:
        graph.add(ReplayNode, {"bag": str(bag)})


def test_an_answer_may_overtake_its_question() -> None:
    gate = Lockstep()
    gate.answer(("e", 0))
    gate.ask(("e", 0))
    gate.ask(("e", 1))
    assert gate.waiting == (("e", 1),)
    assert gate.give_up() == (("e", 1),)
    assert gate.waiting == ()
