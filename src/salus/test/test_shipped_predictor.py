"""The predictor in the package fits the policy in the package."""

import pytest

from salus_collector.perception.seeing import with_localiser
from salus_collector.policy.registry import make_policy
from salus_data.signals import ROBOT_SIGNAL_COLUMNS
from salus_predictor.model.reading import load_model
from salus_predictor.online.load import load_watched, model_folder

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and LeRobot


def test_the_shipped_predictor_was_calibrated_on_the_shipped_policy():
    pytest.importorskip("lerobot")
    model = load_model(model_folder("shipped"))
    policy = with_localiser(make_policy("smolvla"), "shipped")
    assert (policy.name, policy.digest) in [tuple(known) for known in model.calibration.policies]
    given = {c.name: c.unit for c in (*policy.signals, *ROBOT_SIGNAL_COLUMNS)}
    mine = {c.name: c.unit for c in model.predictor.contract.signals}
    assert {name: mine[name] for name in model.predictor.inputs}.items() <= given.items()


def test_it_runs_in_a_node_and_promises_no_more_than_it_was_forced_to():
    assert load_watched("shipped").predictor.stream()
    provenance = load_model(model_folder("shipped")).provenance
    assert provenance.forced == []
    assert provenance.leaks_allowed == []
