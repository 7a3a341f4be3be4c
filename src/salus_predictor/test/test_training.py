from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from learning import make_contract, make_data, outcome_only, write_store
from sklearn.metrics import average_precision_score

from salus_data.errors import ContractMismatchError, FormatError
from salus_predictor.calibration.recalibrate import recalibrate
from salus_predictor.calibration.thresholds import best_f1
from salus_predictor.model.folder import MODEL
from salus_predictor.model.reading import load_model
from salus_predictor.steps import StepData
from salus_predictor.training import fit_trees
from salus_predictor.training.checks import constant_outputs, worthless
from salus_predictor.training.examples import Examples
from salus_predictor.training.fit import fit_predictor
from salus_predictor.training.listener import EpochReport, Silent
from salus_predictor.training.metrics import watch
from salus_predictor.training.options import TrainOptions
from salus_predictor.training.refusals import RefusedError
from salus_predictor.training.run import CHECKPOINT, TrainRun, train_model
from salus_predictor.training.split import split_by_seed

QUICK = TrainOptions(
    kind="trees", rounds=8, epochs=2, width=8, learning_rate=0.02, batch_size=96, inputs="portable"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty sound episodes; read only."""
    return write_store(tmp_path_factory.mktemp("stores") / "sound.zarr", make_data(80))


def run(store: Path | list[Path], out: Path, **changes: object) -> TrainRun:
    stores = [store] if isinstance(store, Path) else store
    return TrainRun(stores, out, QUICK, **changes)  # type: ignore[arg-type]


def test_a_store_becomes_a_calibrated_model(store: Path, tmp_path: Path) -> None:
    model = train_model(run(store, tmp_path / "model", alpha=0.4, command="salus train"))
    assert (tmp_path / "model" / MODEL).exists()
    assert not (tmp_path / "model" / CHECKPOINT).exists()
    assert model.provenance.train_episodes + model.provenance.validation_episodes == 80
    assert model.provenance.validation["macro_f1"] > 0.6
    assert model.provenance.stores == [str(store)]
    assert not model.provenance.forced
    seeds = {record.seed for record in make_data(80).records}
    assert {*model.episodes.train, *model.episodes.validation} == seeds
    assert not {*model.episodes.train} & {*model.episodes.validation}
    # The model refuses to be judged on what it has seen.
    with pytest.raises(FormatError, match="80 of 80"):
        model.require_unseen(StepData.read(store))


def test_trees_that_see_a_share_of_the_rows_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fit_trees, "MOST_ROWS", 1500)
    data, held = make_data(80), make_data(80, first=80)
    predictor = fit_predictor(data, held, QUICK)
    examples = Examples.of(data, predictor.features(data))
    rows, weight = fit_trees._thin(examples, np.random.default_rng(0))
    assert len(rows) == len(weight) == len(set(rows)) == fit_trees.MOST_ROWS
    # Those with an event near are not thinned but for the share, so each stands for itself.
    near = (examples.targets.risk[rows] > 0).any(axis=1)
    assert set(weight[near]) == {1.0}
    assert weight[~near] == pytest.approx(1 / fit_trees.KEPT_QUIET)
    assert watch(held, predictor.predict(held).probability).macro_f1 > 0.5


def test_a_model_is_never_overwritten(store: Path, tmp_path: Path) -> None:
    (tmp_path / MODEL).write_text("mine")
    with pytest.raises(FormatError, match="another --out"):
        train_model(run(store, tmp_path))
    assert (tmp_path / MODEL).read_text() == "mine"


# ---- learning


def test_shuffled_labels_give_chance() -> None:
    # Labels of other episodes: as many positives, none of them where its signals say so.
    train, held = make_data(80), make_data(64, first=80)
    random = np.random.default_rng(0)
    rows = random.permutation(train.n_rows)
    shuffled = replace(train, labels=train.labels[rows], valid=train.valid[rows])
    options = replace(QUICK, kind="trees", rounds=20)
    predictor = fit_predictor(shuffled, held, options, force=True)
    watched = watch(held, predictor.predict(held).probability)
    sound = watch(held, fit_predictor(train, held, options).predict(held).probability)
    assert watched.macro_ap < 0.15 < 0.6 < sound.macro_ap
    assert watched.macro_f1 < 2.5 * np.nanmean(watched.chance)


def test_the_same_seed_gives_the_same_model() -> None:
    train, held = make_data(32), make_data(16, first=32)
    options = replace(QUICK, kind="average")
    said = [
        fit_predictor(train, held, options, force=True).predict(held).probability for _ in range(2)
    ]
    other = fit_predictor(train, held, replace(options, seed=1), force=True)
    assert (said[0] == said[1]).all()
    assert (other.predict(held).probability != said[0]).any()


class Stop(Silent):
    """Interrupts after some epochs."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.epochs: list[int] = []

    def epoch(self, report: EpochReport) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.epochs.append(report.epoch)


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    store: Path, tmp_path: Path
) -> None:
    options = replace(QUICK, kind="network", epochs=4, networks=2)
    whole = replace(run(store, tmp_path / "whole", force=True), options=options)
    parts = replace(whole, out=tmp_path / "parts")
    train_model(whole)
    for after in (1, 5):  # in the middle of the first network, then of the second
        with pytest.raises(KeyboardInterrupt):
            train_model(parts, Stop(after))
    with pytest.raises(FormatError, match="options"):
        train_model(replace(parts, options=replace(options, seed=1)))
    rest = Stop(99)
    train_model(parts, rest)
    assert len(rest.epochs) < 8
    for name in ("model.safetensors", "calibration.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


# ---- what is refused before the first step (FINDINGS.md, the eleven failures)


def refused(store: Path | list[Path], tmp_path: Path, **changes: object) -> str:
    with pytest.raises(RefusedError) as error:
        train_model(run(store, tmp_path / "model", **changes))
    assert not (tmp_path / "model" / MODEL).exists()
    return str(error.value)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    return write_store(tmp_path / "broken.zarr", make_data(40))


def test_labels_that_are_all_zero(broken: Path, tmp_path: Path) -> None:
    root = zarr.open_group(broken, mode="r+")
    root["data/horizon_labels"][:] = 0
    assert "labels_all_zero" in refused(broken, tmp_path)


def test_labels_of_other_events(broken: Path, tmp_path: Path) -> None:
    root = zarr.open_group(broken, mode="r+")
    labels = root["data/horizon_labels"][:]
    root["data/horizon_labels"][:] = np.roll(labels, 1, axis=2)
    assert "class_shifted" in refused(broken, tmp_path)


def test_dummy_labels(broken: Path, tmp_path: Path) -> None:
    root = zarr.open_group(broken, mode="r+")
    root["data/horizon_labels"].attrs["label_source"] = "dummy"
    assert "label_source_dummy" in refused(broken, tmp_path)


def test_stale_labels(broken: Path, tmp_path: Path) -> None:
    root = zarr.open_group(broken, mode="r+")
    root["data/horizon_labels"].attrs["digest"] = "0" * 16
    assert "label_digest" in refused(broken, tmp_path)


def test_too_few_positives(store: Path, tmp_path: Path) -> None:
    assert "positive_ratio" in refused(store, tmp_path, min_positive_ratio=0.5)


def test_only_successes(tmp_path: Path) -> None:
    made = make_data(40)
    path = write_store(tmp_path / "good.zarr", made.subset(range(0, 40, 2)))
    assert "one_class" in refused(path, tmp_path)


def test_mixed_contracts(tmp_path: Path) -> None:
    first, second = make_data(16), make_data(16, first=16)
    other = replace(second, contract=make_contract(horizons=(5, 10)))
    stores = [
        write_store(tmp_path / "a.zarr", first),
        write_store(tmp_path / "b.zarr", replace(other, labels=other.labels[:, :2])),
    ]
    assert "contracts_differ" in refused(stores, tmp_path)


def clocked(data: StepData) -> StepData:
    """The same with a signal that counts steps."""
    signals = data.signals.copy()
    signals[:, 4] = data.step_of_row
    return replace(data, signals=signals)


def test_a_leak_is_refused_unless_allowed_and_then_marks_the_model(tmp_path: Path) -> None:
    path = write_store(tmp_path / "leak.zarr", clocked(make_data(80)))
    assert "signal_is_clock" in refused(path, tmp_path, allow_leak=False)
    model = train_model(run(path, tmp_path / "model", allow_leak=True))
    assert "signal_is_clock" in model.provenance.leaks_allowed[0]
    # A clock that is no input gives nothing away.
    without = replace(QUICK, inputs="slip,effort,gap,stall")
    clean = train_model(replace(run(path, tmp_path / "clean"), options=without))
    assert not clean.provenance.leaks_allowed


def test_test_seeds_inside_training(store: Path, tmp_path: Path) -> None:
    test = write_store(tmp_path / "test.zarr", make_data(4, first=78))
    assert "2 test episodes" in refused(store, tmp_path, test=[test])


def test_a_type_without_examples(tmp_path: Path) -> None:
    made = make_data(64)
    kept = [e for e, record in enumerate(made.records) if record.failure_type != 2]
    path = write_store(tmp_path / "no_miss.zarr", made.subset(kept))
    assert "miss" in refused(path, tmp_path)


def test_force_goes_on_and_marks_the_model(broken: Path, tmp_path: Path) -> None:
    root = zarr.open_group(broken, mode="r+")
    root["data/horizon_labels"].attrs["digest"] = "0" * 16
    model = train_model(run(broken, tmp_path / "model", force=True))
    assert any("label_digest" in reason for reason in model.provenance.forced)


def test_signals_that_are_not_there(store: Path, tmp_path: Path) -> None:
    for inputs, named in (("core", "epistemic"), ("slip,wind", "wind")):
        with pytest.raises(ContractMismatchError, match=named):
            train_model(replace(run(store, tmp_path / "m"), options=replace(QUICK, inputs=inputs)))
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("share", [0.0, 1.0, 0.001, 0.999])
def test_an_empty_side_of_the_split(store: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises((FormatError, RefusedError), match="--validation"):
        train_model(run(store, tmp_path / "m", validation=share))
    assert not (tmp_path / "m").exists()


def test_one_episode_and_none(tmp_path: Path) -> None:
    one = write_store(tmp_path / "one.zarr", make_data(1, first=1))
    with pytest.raises((RefusedError, FormatError), match=r"one_class|1 episode"):
        train_model(run(one, tmp_path / "m"))
    none = write_store(tmp_path / "none.zarr", make_data(8).subset([]))
    with pytest.raises((RefusedError, FormatError)):
        train_model(run(none, tmp_path / "m"))
    with pytest.raises(FormatError, match="no such store"):
        train_model(run(tmp_path / "nowhere", tmp_path / "m"))
    assert not (tmp_path / "m").exists()


# ---- what is refused after the first epochs


def examples(data: StepData) -> Examples:
    return Examples.of(data, np.zeros((data.n_rows, 1), np.float32))


def report(probability: np.ndarray, loss: float = 1.0) -> EpochReport:
    spread = np.quantile(probability[:, -1], [0, 0.25, 0.5, 0.75, 1], axis=0).T
    return EpochReport("test", 3, 5, loss, 0.0, 0.0, 0.0, spread)


def test_constant_outputs() -> None:
    data = make_data(16)
    said = report(np.full(data.labels.shape, 0.03))
    assert "every prediction is 0.0300" in constant_outputs(said.predictions)[0]


def test_a_type_that_is_never_predicted() -> None:
    data = make_data(16)
    probability = 0.9 * data.labels.astype(float)
    probability[..., 1] = 0.001
    probability[0, :, 1] = 0.002
    reasons = worthless(examples(data), watch(data, probability), report(probability), 2.0)
    assert len(reasons) == 1
    assert "drop is never predicted" in reasons[0]


def test_a_loss_that_falls_while_f1_does_not_rise() -> None:
    data = make_data(16)
    # Confident, varied, and highest where nothing happens.
    probability = 0.9 - 0.8 * data.labels.astype(float)
    reasons = worthless(examples(data), watch(data, probability), report(probability), 2.0)
    assert "the loss fell from 2.0000 to 1.0000 while F1 stays" in reasons[0]


def test_constant_signals_are_refused_after_the_first_epoch() -> None:
    train, held = make_data(32), make_data(16, first=32)
    still = [replace(d, signals=np.ones_like(d.signals)) for d in (train, held)]
    options = replace(QUICK, kind="trees")
    with pytest.raises(RefusedError, match=r"never predicted|every prediction"):
        fit_predictor(*still, options)


# ---- splits, outcomes alone, calibration of a written model


def test_episodes_of_one_seed_stay_together() -> None:
    data = make_data(64)
    twins = replace(data, records=tuple(replace(r, seed=r.index // 2) for r in data.records))
    train, held = split_by_seed(twins, 0.25, 3)
    seeds = [{twins.records[e].seed for e in side} for side in (train, held)]
    assert not seeds[0] & seeds[1]
    assert len(train) + len(held) == 64
    assert (split_by_seed(twins, 0.25, 3)[1] == held).all()
    assert list(split_by_seed(twins, 0.25, 4)[1]) != list(held)


def test_a_split_keeps_the_mix_of_endings() -> None:
    data = make_data(160)
    _, held = split_by_seed(data, 0.25, 0)
    kinds = np.bincount([data.records[e].failure_type + 1 for e in held])
    assert abs(kinds - np.array([20, 5, 5, 5, 5])).max() <= 1


def test_calibration_anew(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    train_model(run(store, folder, alpha=0.4))
    before = load_model(folder)
    fresh = write_store(tmp_path / "fresh.zarr", make_data(60, seed=4))
    result = recalibrate(folder, [fresh], 0.4)
    assert result.verdict.holds is not False
    assert not result.scaled  # seven or eight failures of each type are too few
    assert len(result.model.calibration.scores) == 30
    assert (result.model.calibration.f1 == before.calibration.f1).all()
    assert result.model.calibration.policies == (("synthetic", "abc"),)
    with pytest.raises(FormatError, match=r"seeds"):
        result.model.require_unseen(StepData.read(fresh))

    few = recalibrate(folder, [fresh], 0.05)
    assert (few.model.calibration.alarm() == np.inf).all()
    assert any("infinite" in note for note in few.notes)

    noisy = make_data(60, seed=5)
    louder = replace(noisy, signals=noisy.signals * np.float32(2.5))
    shaken = write_store(tmp_path / "shaken.zarr", louder)
    verdict = recalibrate(folder, [shaken], 0.4).verdict
    assert verdict.holds is False
    assert "void" in verdict.message

    with pytest.raises(FormatError, match="seeds"):
        recalibrate(folder, [store], 0.4)
    failures = write_store(tmp_path / "bad.zarr", make_data(8, seed=6).subset([1, 3, 5]))
    with pytest.raises(FormatError, match="none of 3"):
        recalibrate(folder, [failures], 0.4)
    assert load_model(folder).calibration_id == before.calibration_id


def test_a_written_model_of_outcomes_alone(tmp_path: Path) -> None:
    from salus_predictor.calibration.calibrate import choose_thresholds
    from salus_predictor.model.folder import Episodes, Model
    from salus_predictor.model.schema import Provenance
    from salus_predictor.model.writing import save_model

    train, held = outcome_only(make_data(48)), outcome_only(make_data(24, first=48))
    predictor = fit_predictor(train, held, replace(QUICK, kind="average"))
    calibration = choose_thresholds(predictor, held, 0.3)
    assert np.isfinite(calibration.alarm()).all()
    save_model(Model(predictor, calibration, Provenance(), Episodes((), ()), "average"), tmp_path)
    again = load_model(tmp_path).predictor.predict(held)
    assert again.outcome == pytest.approx(predictor.predict(held).outcome, abs=1e-6)
    assert np.isnan(again.probability).all()


def test_what_training_watches_is_what_the_library_says() -> None:
    data = make_data(12, seed=3)
    random = np.random.default_rng(3)
    # Few values: many rows share one.
    probability = random.integers(0, 20, size=data.labels.shape) / 20
    watched = watch(data, probability)
    for h, c in np.ndindex(*watched.ap.shape):
        rows = data.valid[:, h, c]
        label, score = data.labels[rows, h, c] > 0, probability[rows, h, c]
        assert watched.ap[h, c] == pytest.approx(average_precision_score(label, score))
        assert watched.f1[h, c] == pytest.approx(best_f1(label, score)[1])
