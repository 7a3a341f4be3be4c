"""Horizon labels: the acceptance case, each rule, and a slow, obvious loop as the truth."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus_data.episode import EpisodeRecord
from salus_data.errors import FormatError
from salus_data.labels import compute_horizon_labels, horizon_labels, label_digest, label_source
from salus_data.types import Outcome

HORIZONS = (5, 10, 15, 20)


def legacy_set():
    """500 episodes of 200 steps, 253 of them failed at the last step."""
    types = np.repeat([0, 1, 2, 3, -1], [66, 68, 59, 60, 247])
    outcomes = np.where(types >= 0, Outcome.FAILURE, Outcome.SUCCESS)
    onsets = np.where(types >= 0, 199, -1)
    lengths, never = np.full(500, 200), np.full(500, -1)
    return lengths, outcomes, types, onsets, never


def obvious_loop(lengths, outcomes, types, onsets, censors, horizons, n_types):
    """The rules of the module, one cell at a time."""
    labels, valid = [], []
    for T, outcome, c, f, g in zip(lengths, outcomes, types, onsets, censors, strict=True):
        for t in range(T):
            label = np.zeros((len(horizons), n_types), np.uint8)
            known = np.zeros((len(horizons), n_types), bool)
            for h, horizon in enumerate(horizons):
                if outcome == Outcome.FAILURE and f >= 0 and (g < 0 or f <= g):
                    label[h, c] = 0 < f - t <= horizon
                    known[h] = t < f
                elif outcome == Outcome.SUCCESS and f >= 0 and (g < 0 or f <= g):
                    known[h] = t < f
                elif outcome == Outcome.FAILURE and f < 0:
                    known[h] = False
                elif outcome == Outcome.SUCCESS and f < 0 and g < 0:
                    known[h] = True
                elif outcome in (Outcome.UNKNOWN, Outcome.DISCARDED):
                    known[h] = False
                else:
                    last_watched = T - 1 if g < 0 else min(g, T - 1)
                    known[h] = t + horizon <= last_watched
            labels.append(label)
            valid.append(known)
    return np.array(labels), np.array(valid)


@st.composite
def episodes(draw):
    count = draw(st.integers(1, 5))
    lengths = [draw(st.integers(1, 30)) for _ in range(count)]
    outcomes = [draw(st.sampled_from(list(Outcome))) for _ in range(count)]
    types = [draw(st.integers(0, 3)) if o is Outcome.FAILURE else -1 for o in outcomes]
    onsets = [draw(st.integers(-1, n - 1)) for n in lengths]
    censors = [draw(st.integers(-1, n + 3)) for n in lengths]
    return lengths, outcomes, types, onsets, censors


def one(outcome, *, length=10, kind=-1, onset=-1, censor=-1, horizons=(2, 4)):
    """Labels and validity of one episode."""
    return horizon_labels([length], [outcome], [kind], [onset], [censor], horizons, 4)


def test_the_prototypes_500_episodes_have_12650_positive_cells():
    labels, valid = horizon_labels(*legacy_set(), HORIZONS, 4)
    assert labels.shape == valid.shape == (100_000, 4, 4)
    assert labels.dtype == np.uint8
    assert valid.dtype == np.bool_
    assert labels.sum() == 12_650
    assert labels.sum(axis=(0, 2)).tolist() == [1265, 2530, 3795, 5060]
    assert labels.sum(axis=(0, 1)).tolist() == [3300, 3400, 2950, 3000]
    assert np.count_nonzero(~valid.all(axis=(1, 2))) == 253  # the onset rows, not asked


def test_labelling_500_episodes_is_fast_enough_to_do_at_every_start():
    arrays = legacy_set()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        horizon_labels(*arrays, HORIZONS, 4)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.05


@settings(max_examples=150, deadline=None)
@given(episodes(), st.sets(st.integers(1, 12), min_size=1, max_size=3).map(sorted))
def test_agrees_with_the_obvious_loop(drawn, horizons):
    labels, valid = horizon_labels(*drawn, tuple(horizons), 4)
    expected_labels, expected_valid = obvious_loop(*drawn, horizons, 4)
    assert np.array_equal(labels, expected_labels)
    assert np.array_equal(valid, expected_valid)


@settings(max_examples=50, deadline=None)
@given(episodes())
def test_a_longer_horizon_never_takes_a_positive_away_nor_knows_more(drawn):
    labels, valid = horizon_labels(*drawn, HORIZONS, 4)
    assert (np.diff(labels.astype(int), axis=1) >= 0).all()
    assert (np.diff(valid.astype(int), axis=1) <= 0).all()
    assert valid[labels == 1].all()


@settings(max_examples=50, deadline=None)
@given(episodes())
def test_an_episode_is_labelled_the_same_alone_and_among_others(drawn):
    labels, valid = horizon_labels(*drawn, HORIZONS, 4)
    alone = [
        horizon_labels(*([v] for v in one_episode), HORIZONS, 4)
        for one_episode in zip(*drawn, strict=True)
    ]
    assert np.array_equal(labels, np.concatenate([pair[0] for pair in alone]))
    assert np.array_equal(valid, np.concatenate([pair[1] for pair in alone]))


def test_a_failure_is_positive_before_its_onset_and_masked_from_there():
    labels, valid = one(Outcome.FAILURE, kind=2, onset=6)
    assert np.flatnonzero(labels[:, 0, 2]).tolist() == [4, 5]
    assert np.flatnonzero(labels[:, 1, 2]).tolist() == [2, 3, 4, 5]
    assert labels[:, :, [0, 1, 3]].sum() == 0
    assert valid[:6].all()
    assert not valid[6:].any()


def test_success_gives_known_negatives_up_to_its_onset():
    labels, valid = one(Outcome.SUCCESS, onset=6)
    assert labels.sum() == 0
    assert valid[:6].all()
    assert not valid[6:].any()


def test_success_of_unknown_date_gives_known_negatives_everywhere():
    labels, valid = one(Outcome.SUCCESS)
    assert labels.sum() == 0
    assert valid.all()


@pytest.mark.parametrize("outcome", [Outcome.TRUNCATED, Outcome.STOPPED])
def test_an_episode_cut_short_is_known_only_as_far_as_it_was_watched(outcome):
    labels, valid = one(outcome)
    assert labels.sum() == 0
    assert np.flatnonzero(valid[:, 0, 0]).tolist() == list(range(8))  # t + 2 <= 9
    assert np.flatnonzero(valid[:, 1, 0]).tolist() == list(range(6))  # t + 4 <= 9


@pytest.mark.parametrize("outcome", [Outcome.FAILURE, Outcome.SUCCESS])
def test_an_event_after_an_intervention_is_not_the_policys_own(outcome):
    kind = 0 if outcome is Outcome.FAILURE else -1
    labels, valid = one(outcome, kind=kind, onset=8, censor=5)
    assert labels.sum() == 0
    assert np.flatnonzero(valid[:, 0, 0]).tolist() == [0, 1, 2, 3]  # t + 2 <= 5
    assert np.flatnonzero(valid[:, 1, 0]).tolist() == [0, 1]


def test_an_event_up_to_the_intervention_counts():
    labels, _ = one(Outcome.FAILURE, kind=1, onset=5, censor=5)
    assert np.array_equal(labels, one(Outcome.FAILURE, kind=1, onset=5)[0])


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.DISCARDED])
def test_nothing_is_known_without_an_outcome(outcome):
    labels, valid = one(outcome, censor=3)
    assert labels.sum() == 0
    assert not valid.any()


def test_nothing_is_known_around_a_failure_without_date():
    _, valid = one(Outcome.FAILURE, kind=0)
    assert not valid.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outcome": Outcome.FAILURE, "kind": 4, "onset": 3}, "failure type outside 0..3"),
        ({"outcome": Outcome.FAILURE, "kind": -1, "onset": 3}, "failure type outside 0..3"),
        ({"outcome": Outcome.SUCCESS, "onset": 10}, "onset beyond its last row"),
        ({"outcome": Outcome.SUCCESS, "length": 0}, "no rows"),
        ({"outcome": Outcome.SUCCESS, "horizons": (5, 5)}, "strictly growing"),
        ({"outcome": Outcome.SUCCESS, "horizons": ()}, "strictly growing"),
        ({"outcome": Outcome.SUCCESS, "horizons": (0,)}, "1 to 1,000,000"),
        ({"outcome": Outcome.SUCCESS, "horizons": (5, 10**20)}, "1 to 1,000,000"),
    ],
)
def test_impossible_numbers_are_refused(arguments, message):
    with pytest.raises(FormatError, match=message):
        one(**arguments)


def test_records_and_ends_give_the_same_labels_as_arrays():
    records = [
        EpisodeRecord("a", 0, 0, outcome=Outcome.FAILURE, failure_type=3, onset_step=7),
        EpisodeRecord("b", 1, 0, outcome=Outcome.TRUNCATED),
        EpisodeRecord("c", 2, 0, outcome=Outcome.SUCCESS, onset_step=4, first_intervention_step=2),
    ]
    labels, valid = compute_horizon_labels([10, 25, 31], records, HORIZONS, 4)
    outcomes = [record.outcome for record in records]
    again = horizon_labels([10, 15, 6], outcomes, [3, -1, -1], [7, -1, 4], [-1, -1, 2], HORIZONS, 4)
    assert np.array_equal(labels, again[0])
    assert np.array_equal(valid, again[1])
    with pytest.raises(FormatError, match="for 3 records"):
        compute_horizon_labels([10, 25], records, HORIZONS, 4)
    with pytest.raises(FormatError, match="does not grow"):
        compute_horizon_labels([10, 10, 31], records, HORIZONS, 4)


def test_the_digest_follows_what_labels_follow_from_and_nothing_else():
    record = EpisodeRecord("a", 0, 0, outcome=Outcome.SUCCESS, onset_step=7)
    digest = label_digest([10], [record], HORIZONS)
    renamed = EpisodeRecord("b", 5, 9, outcome=Outcome.SUCCESS, onset_step=7, force=3.0)
    moved = EpisodeRecord("a", 0, 0, outcome=Outcome.SUCCESS, onset_step=6)
    assert label_digest([10], [renamed], HORIZONS) == digest
    assert label_digest([10], [moved], HORIZONS) != digest
    assert label_digest([11], [record], HORIZONS) != digest
    assert label_digest([10], [record], (5, 10)) != digest


def test_the_source_of_labels_is_named_only_where_there_is_one():
    physics = EpisodeRecord("a", 0, 0)
    human = EpisodeRecord("b", 1, 0, event_source="human")
    assert label_source([]) == ""
    assert label_source([physics, physics]) == "physics"
    assert label_source([physics, human]) == "mixed"
