from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning import make_contract, make_data, outcome_only

from salus_data.contract import Column
from salus_data.errors import ContractMismatchError, FormatError
from salus_predictor.model.base import Forecasts
from salus_predictor.model.inputs import choose_inputs
from salus_predictor.model.network import Network
from salus_predictor.model.predictor import HazardPredictor
from salus_predictor.model.trees import Trees
from salus_predictor.steps import StepData
from salus_predictor.training.fit import HazardRecipe, fit_predictor
from salus_predictor.training.metrics import watch
from salus_predictor.training.module import HazardModule, feature_scale, standardise
from salus_predictor.training.options import TrainOptions


def streamed(predictor: HazardPredictor, data: StepData) -> Forecasts:
    columns = [data.signal_names.index(name) for name in predictor.inputs]
    stream = predictor.stream()
    said = []
    for episode in range(len(data)):
        stream.reset()
        said += [stream.step(row) for row in data.signals[data.rows(episode)][:, columns]]
    return Forecasts(np.stack([f.probability for f in said]), np.stack([f.outcome for f in said]))


@pytest.mark.parametrize("members", ["network", "trees", "both"])
def test_a_stream_says_what_the_batch_says(
    fitted: HazardPredictor, held_data: StepData, members: str
) -> None:
    if members != "both":
        kind = Network if members == "network" else Trees
        kept = tuple(m for m in fitted.members if isinstance(m, kind))
        fitted = replace(fitted, members=kept, weights=(1.0,))
    data = held_data.subset(range(10))
    batch, stream = fitted.predict(data), streamed(fitted, data)
    assert stream.probability == pytest.approx(batch.probability, abs=1e-6)
    assert stream.outcome == pytest.approx(batch.outcome, abs=1e-6)


def test_forecasts_are_probabilities(fitted: HazardPredictor, held_data: StepData) -> None:
    said = fitted.predict(held_data)
    assert said.probability.shape == held_data.labels.shape
    assert (np.diff(said.probability, axis=1) >= 0).all()
    assert ((said.probability >= 0) & (said.probability <= 1)).all()
    assert said.outcome.sum(axis=1) == pytest.approx(1.0)


def test_it_learns_what_the_signals_say(fitted: HazardPredictor, held_data: StepData) -> None:
    said = fitted.predict(held_data)
    watched = watch(held_data, said.probability)
    assert watched.macro_f1 > 0.7
    assert watched.macro_ap > 0.7
    # Calibrated: what it says comes true as often as it says.
    assert said.probability[held_data.valid].mean() == pytest.approx(
        held_data.labels[held_data.valid].mean(), rel=0.2
    )


def test_the_future_has_no_effect(fitted: HazardPredictor, held_data: StepData) -> None:
    changed = held_data.signals.copy()
    first = held_data.rows(0)
    changed[first.start + 20 : first.stop] = 3.0
    before = fitted.predict(held_data).probability
    after = fitted.predict(replace(held_data, signals=changed)).probability
    same = np.ones(held_data.n_rows, bool)
    same[first.start + 20 : first.stop] = False
    assert (before[same] == after[same]).all()
    assert (before[~same] != after[~same]).any()


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 20), st.integers(0, 99))
@settings(max_examples=20)
def test_numpy_and_torch_are_the_same_network(
    horizons: int, types: int, length: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    features = random.normal(size=(length, 7)).astype(np.float32) * 3
    module = HazardModule(7, horizons, types, width=6, state=5, dropout=0.5).eval()
    mean, scale = feature_scale(features)
    network = Network.of(module.tensors(mean, scale), horizons, types, 7)
    hazards, outcome = network.logits(features, np.array([length]))
    with torch.no_grad():
        wanted = module(torch.from_numpy(standardise(features, mean, scale))[:, None])
    assert hazards == pytest.approx(wanted[0][..., 0].movedim(-1, 0).double().numpy(), abs=1e-5)
    assert outcome == pytest.approx(wanted[1][..., 0].T.double().numpy(), abs=1e-5)


def test_signals_are_found_by_name(fitted: HazardPredictor, held_data: StepData) -> None:
    order = [3, 1, 0, 2, 5, 4]
    moved = replace(
        held_data,
        contract=replace(
            held_data.contract, signals=tuple(held_data.contract.signals[k] for k in order)
        ),
        signals=held_data.signals[:, order],
    )
    assert (fitted.predict(moved).probability == fitted.predict(held_data).probability).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"step_period": 0.1}, "step period"),
        ({"horizons": (5, 10)}, "horizons"),
        ({"failure_types": ("collision", "drop", "miss", "stall")}, "failure_types"),
        ({"signals": make_contract().signals[1:]}, "slip"),
        ({"signals": (Column("slip", "kN"), *make_contract().signals[1:])}, "slip in N"),
    ],
)
def test_another_contract_is_refused(
    fitted: HazardPredictor, held_data: StepData, change: dict[str, object], named: str
) -> None:
    other = replace(held_data, contract=replace(held_data.contract, **change))  # type: ignore[arg-type]
    with pytest.raises(ContractMismatchError, match=named):
        fitted.predict(other)


def test_a_row_of_the_wrong_size_is_refused(fitted: HazardPredictor) -> None:
    with pytest.raises(FormatError, match="6"):
        fitted.stream().step([1.0, 2.0])


def test_input_sets() -> None:
    contract = make_contract()
    assert choose_inputs(contract, "portable") == ("slip", "effort", "gap", "stall", "noise")
    assert choose_inputs(contract, "stall, slip") == ("slip", "stall")
    with pytest.raises(ContractMismatchError, match="epistemic, epistemic_max"):
        choose_inputs(contract, "core")
    with pytest.raises(ContractMismatchError, match="bin_distance"):
        choose_inputs(contract, "perceived")
    with pytest.raises(ContractMismatchError, match="slipp"):
        choose_inputs(contract, "slipp")
    with pytest.raises(FormatError, match="twice"):
        choose_inputs(contract, "slip,slip")
    with pytest.raises(FormatError, match="no signal"):
        choose_inputs(contract, ",")


def test_with_time_the_stream_counts_for_itself(
    train_data: StepData, held_data: StepData, small: TrainOptions
) -> None:
    options = replace(small, with_time=True, kind="trees", rounds=3)
    predictor = fit_predictor(train_data, held_data, options)
    data = held_data.subset(range(3))
    assert streamed(predictor, data).probability == pytest.approx(
        predictor.predict(data).probability, abs=1e-6
    )


def test_outcomes_alone_can_be_learnt(small: TrainOptions) -> None:
    train, held = outcome_only(make_data(56)), outcome_only(make_data(24, first=56))
    predictor = HazardRecipe(replace(small, inputs="portable", epochs=4)).fit(train, held, seed=1)
    said = predictor.predict(held)
    assert not predictor.dated
    assert np.isnan(said.probability).all()
    assert said.outcome.shape == (held.n_rows, 2)
    failed = np.array([record.failure_type >= 0 for record in held.records])
    last = said.outcome[held.ends - 1, 1]
    assert last[failed].mean() > last[~failed].mean() + 0.3
