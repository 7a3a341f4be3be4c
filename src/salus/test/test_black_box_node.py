"""The black box beside real nodes: a bag of what led to an intervention, and none without one."""

import json
from pathlib import Path

import pytest
from test_watched_graph import model, rules
from watched_graph import watched_graph

from salus_data.bags.black_box import JOURNAL, REASONS_KEY
from salus_data.bags.source import Bag
from salus_predictor.nodes.black_box_node import BlackBoxNode

pytestmark = [
    pytest.mark.ros,
    pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning"),
]


def test_an_intervention_leaves_a_bag_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    asked = rules(tmp_path, "hold")
    with watched_graph(tmp_path, model(alarm=0.02), supervise="active", rules=asked) as graph:
        node = graph.add("box", BlackBoxNode, folder=str(folder), before=1.0, after=0.2)
        graph.run(0)
        held = next(s for s in graph.heard["states"] if s.state == s.STATE_HOLDING)
        graph.kill("box")
    assert node.box.written, (folder / JOURNAL).read_text()
    with Bag(node.box.written[0]) as bag:
        facts = json.loads(bag.custom[REASONS_KEY])
        messages = list(bag.messages(bag.types))
        warning = next(m for m in messages if m.topic.endswith("/warning"))
        assert bag.decode(warning).kind == 1
        assert not bag.problems
    reasons = [t["reason"] for t in facts["triggers"] if t["kind"] == "intervention"]
    assert f"holding: {held.reason}" in reasons
    names = {m.topic.split("/")[-1] for m in messages}
    assert {"contract", "episode", "joint_states", "forecast", "action", "supervisor"} <= names
    times = [m.time for m in messages]
    assert max(times) - min(times) <= 1.3e9


def test_without_a_warning_there_is_no_bag_and_the_journal_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    with watched_graph(tmp_path, model(), supervise="active") as graph:
        graph.add("box", BlackBoxNode, folder=str(folder))
        graph.run(0)
        graph.kill("box")
    assert [path.name for path in folder.iterdir()] == [JOURNAL]
    assert "no warning was raised" in (folder / JOURNAL).read_text()
