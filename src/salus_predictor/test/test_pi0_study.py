"""The study on pi0's rollouts: test episodes stay apart, nothing beyond a cut is read."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from salus_data.errors import FormatError
from salus_predictor.studies.pi0_libero.episodes import CUTS, read_episodes
from salus_predictor.studies.pi0_libero.features import RELATIVE, STATISTICS, prefix_statistics
from salus_predictor.studies.pi0_libero.members import endings_weight
from salus_predictor.studies.pi0_libero.mixes import MIXES, MemberScores, choose, mixed
from salus_predictor.studies.pi0_libero.scores import bootstrap_weights, pooled_auc, within_auc
from salus_predictor.studies.pi0_libero.splits import draw_split, read_splits
from salus_predictor.studies.pi0_libero.table import cells

PI0 = Path(__file__).parents[3].parent / "shared/data/pi0_libero"


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    """Twenty episodes of each of four tasks; failures drift upward."""
    random = np.random.default_rng(0)
    files = []
    for task in range(4):
        lines = []
        for number in range(20):
            failed = number % 4 == 0
            rows = random.normal(size=(random.integers(12, 30), 2)).cumsum(axis=0) * 0.1 + task
            rows[:, 0] += failed * np.linspace(0, 3, len(rows))
            steps = [{"t": t, "a": float(r[0]), "b": float(r[1])} for t, r in enumerate(rows)]
            head = {"task_id": task, "episode_id": number, "success": not failed}
            lines.append(json.dumps(head | {"task_description": f"do {task}", "steps": steps}))
        file = tmp_path_factory.mktemp("logs") / f"task_{task}.jsonl"
        file.write_text("\n".join(lines) + "\n")
        files.append(file)
    return read_episodes(files)


def test_the_committed_splits_keep_test_episodes_apart():
    splits = read_splits()
    assert len(splits) == 10
    for split in splits:
        parts = [set(split.train), set(split.validation), set(split.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 500
        if split.protocol == "unseen":
            tasks = [{name.split("-")[0] for name in part} for part in parts]
            assert len(tasks[2]) == 3
            assert not tasks[2] & (tasks[0] | tasks[1])


@pytest.mark.skipif(not PI0.is_dir(), reason="the rollouts of pi0 are not beside this checkout")
def test_the_committed_splits_are_those_that_are_drawn():
    outcomes = read_episodes(sorted(PI0.glob("*.jsonl.gz"))).outcomes()
    assert read_splits() == [draw_split(s.protocol, s.seed, outcomes) for s in read_splits()]


def test_a_cut_never_reads_beyond_the_shortest_episode_of_the_task(episodes):
    lengths = np.array([len(x) for x in episodes.signals])
    for cut in CUTS:
        rows = episodes.prefix_rows(cut)
        assert (rows >= 1).all()
        assert (rows <= lengths).all()
        assert all(len(np.unique(rows[episodes.task == k])) == 1 for k in range(4))
    assert (episodes.prefix_rows(1.0) == episodes.shortest[episodes.task]).all()


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 40), seed=st.integers(0, 99), shift=st.floats(-5, 5))
def test_relative_statistics_do_not_see_a_constant(n, seed, shift):
    x = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    plain = prefix_statistics(x)
    assert np.isfinite(plain).all()
    moved = prefix_statistics(x.astype(np.float64) + shift)
    relative = [k for k, name in enumerate(STATISTICS) if name in RELATIVE]
    np.testing.assert_allclose(moved[:, relative], plain[:, relative], atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999))
def test_auc_is_that_of_scikit_learn_and_weights_are_repetitions(seed):
    random = np.random.default_rng(seed)
    score = random.integers(0, 6, 30).astype(float)
    failed = np.arange(30) % 3 == 0
    task = np.repeat([0, 1, 2], 10)
    assert pooled_auc(score, failed) == pytest.approx(roc_auc_score(failed, score))
    each = [roc_auc_score(failed[task == k], score[task == k]) for k in range(3)]
    assert within_auc(score, failed, task) == pytest.approx(np.mean(each))
    weight = random.integers(0, 3, 30)
    weight[:2] = 1
    drawn = np.repeat(np.arange(30), weight)
    assert pooled_auc(score, failed, weight.astype(float)) == pytest.approx(
        roc_auc_score(failed[drawn], score[drawn])
    )


def test_bootstrap_keeps_the_number_of_every_ending_of_every_task(episodes):
    weights = bootstrap_weights(episodes.ids, episodes.failed, episodes.task, draws=20)
    for k in range(4):
        for ending in (False, True):
            members = (episodes.task == k) & (episodes.failed == ending)
            assert (weights[:, members].sum(axis=1) == members.sum()).all()


def test_a_task_with_one_ending_hardly_counts_within_tasks():
    failed = np.array([1, 0, 0, 0, 0, 0], dtype=bool)
    weight = endings_weight(failed, np.array([0, 0, 0, 1, 1, 1]), within=True)
    assert weight[0] == pytest.approx(weight[1:3].sum())
    assert weight[3:].sum() < 0.1 * weight[:3].sum()


def test_the_choice_reads_folds_only_and_a_perfect_member_wins(episodes):
    random = np.random.default_rng(1)
    known = np.arange(len(episodes)) % 2 == 0
    shape = (len(CUTS), len({m for mix in MIXES for m in mix}), len(episodes))
    folds = np.where(known, random.normal(size=shape), np.nan)
    folds[:, 3] = np.where(
        known, episodes.failed + 0.01 * random.normal(size=len(episodes)), np.nan
    )
    rate = np.where(known, 0.0, np.nan)
    test = np.where(known, np.nan, random.normal(size=shape))
    first = choose(episodes, MemberScores(folds, test, rate, rate), with_rate=False)
    again = choose(episodes, MemberScores(folds, test * -9, rate, rate), with_rate=False)
    assert first == again
    assert first.fold_score > 0.9
    assert np.isnan(mixed(test, folds, 0, first.mix)).sum() == known.sum()


def test_leads_are_paired(episodes):
    random = np.random.default_rng(2)
    held = np.arange(len(episodes)) % 2 == 0
    noise = random.normal(size=(1, 3, len(episodes)))
    good = np.where(held, episodes.failed + noise, np.nan)
    entries = {"ActProbe": good, "same": good, "better": good + episodes.failed}
    found = {c.entry: c for c in cells(episodes, "seen", entries, "ActProbe") if c.cut == 1.0}
    assert (found["same"].lead, found["same"].lead_low, found["same"].lead_high) == (0, 0, 0)
    assert found["better"].lead_low > 0


def test_files_without_tasks_are_refused(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text(json.dumps({"episode_id": 0, "success": True, "steps": [{"x": 1.0}]}) + "\n")
    with pytest.raises(FormatError, match="task_id and episode_id must be there"):
        read_episodes([file])
