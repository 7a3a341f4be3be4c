"""The predictor in the package fits the policy in the package."""

import pytest

from salus_collector.policy.contract import policy_contract
from salus_collector.policy.registry import make_policy
from salus_predictor.model.reading import load_model
from salus_predictor.online.load import load_watched, model_folder

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers and LeRobot


def test_the_shipped_predictor_was_calibrated_on_the_shipped_policy():
    pytest.importorskip("lerobot")
    model = load_model(model_folder("shipped"))
    policy = make_policy("smolvla")
    assert (policy.name, policy.digest) in [tuple(known) for known in model.calibration.policies]
    given = {c.name: c.unit for c in policy_contract(policy, step_period=1 / 30, task="").signals}
    mine = {c.name: c.unit for c in model.predictor.contract.signals}
    assert {name: mine[name] for name in model.predictor.inputs}.items() <= given.items()


def test_it_runs_in_a_node_and_promises_no_more_than_it_was_forced_to():
    assert load_watched("shipped").predictor.stream()
    provenance = load_model(model_folder("shipped")).provenance
    assert provenance.forced == []
    assert provenance.leaks_allowed == []
