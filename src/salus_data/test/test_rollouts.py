"""Step logs become a store that says what they say; a log that is not sound leaves nothing."""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus_data.contract import Contract
from salus_data.doctor import examine
from salus_data.errors import FormatError, SalusError, UnknownNameError
from salus_data.rollouts import import_rollouts
from salus_data.store import Store
from salus_data.types import FAILURE_TYPES, Outcome, Validity
from salus_data.view import StoreView

PI0 = Path(__file__).parents[3].parent / "shared/data/pi0_libero"


def episode(number=0, *, steps=6, success=True, **fields):
    rows = [{"t": t, "speed": 0.1 * t + number, "jerk": math.sin(t + number)} for t in range(steps)]
    return {"episode_id": number, "success": success, "steps": rows} | fields


def write(path, episodes, *, raw=""):
    text = "".join(json.dumps(e) + "\n" for e in episodes) + raw
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def load(tmp_path, episodes, **options):
    out = tmp_path / "out.zarr"
    file = write(tmp_path / "log.jsonl", episodes)
    report = import_rollouts([file], out, **({"step_period": 0.25} | options))
    return report, Store.open(out)


def test_outcomes_and_signals_arrive_and_nothing_else_is_claimed(tmp_path):
    log = [episode(0, task="stack"), episode(1, success=False, task="pour"), episode(2)]
    report, store = load(tmp_path, log, units={"speed": "m/s"}, policy="pi0")
    assert (report.successes, report.failures, report.dated) == (2, 1, 0)
    assert [r.outcome for r in store.records] == [Outcome.SUCCESS, Outcome.FAILURE, Outcome.SUCCESS]
    assert [r.task for r in store.records] == ["stack", "pour", ""]
    assert {(r.onset_step, r.event_source) for r in store.records} == {(-1, "unknown")}
    assert store.contract.failure_types == ("failure",)
    assert store.contract.step_period == 0.25
    assert [(c.name, c.unit) for c in store.contract.signals] == [("speed", "m/s"), ("jerk", "1")]
    for absent in ("state", "action", "action_proposed", "supervisor_state", "perceived"):
        assert absent not in store.names
    # Nothing is known about when the failure came, and no failure came in the successes.
    assert not store.read("label_valid", 1).any()
    assert store.read("label_valid", 0).all()
    assert np.diff(store.read_all("stamp")).min() == 250_000_000
    assert Contract.from_json(store.contract.to_json()) == store.contract


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_doctor_and_views_take_an_imported_store(tmp_path, suffix):
    log = [episode(i, success=i % 3 > 0, task_id="a") for i in range(12)]
    out = tmp_path / "out.zarr"
    import_rollouts([write(tmp_path / f"log.{suffix}", log)], out, step_period=0.1)
    report = examine(out)
    assert report.exit_status == 0, report.findings
    assert {f.code for f in report.findings} == {"events_assumed", "event_unknown", "outcomes_only"}
    assert len(StoreView(out)) == 12


def test_doctor_finds_the_same_log_imported_under_two_names(tmp_path):
    log = [episode(0), episode(1, success=False), episode(0, task_id="again")]
    _, store = load(tmp_path, log)
    assert "duplicate_episode" in {f.code for f in examine(store.path).findings}


def test_types_keep_the_numbers_that_they_have_everywhere(tmp_path):
    log = [
        episode(0, success=False, failure_type="spill", event_step=3),
        episode(1, success=False, failure_type="drop", event_step=4, event_source="human"),
        episode(2, success=False),
        episode(3),
    ]
    report, store = load(tmp_path, log)
    assert store.contract.failure_types == (*FAILURE_TYPES, "spill", "failure")
    kinds = [store.contract.failure_types[r.failure_type] for r in store.records[:3]]
    assert kinds == ["spill", "drop", "failure"]
    assert [r.onset_step for r in store.records] == [3, 4, -1, -1]
    assert [r.event_source for r in store.records[:3]] == ["imported", "human", "unknown"]
    assert report.dated == 2
    assert store.read("horizon_labels", 0)[:, 0, 4].tolist() == [1, 1, 1, 0, 0, 0]
    assert "class_names" not in {f.code for f in examine(store.path).findings}


def test_a_seed_that_is_not_given_follows_from_the_numbers(tmp_path):
    _, store = load(tmp_path, [episode(0), episode(1), episode(2, seed=7), episode(0, task_id="b")])
    seeds = [record.seed for record in store.records]
    assert seeds[0] == seeds[3] != seeds[1]
    assert seeds[2] == 7


def test_null_is_a_missing_value_with_a_reason(tmp_path):
    log = [episode(0), episode(1)]
    log[1]["steps"][0]["jerk"] = None
    _, store = load(tmp_path, log)
    assert math.isnan(store.read("signals", 1)[0, 1])
    assert store.read("signal_validity", 1)[0].tolist() == [Validity.VALID, Validity.NOT_PROVIDED]
    assert [c.optional for c in store.contract.signals] == [False, True]


def test_hidden_states_come_from_npz(tmp_path):
    hidden = np.linspace(-1, 1, 5 * 8).reshape(5, 8).astype(np.float32)
    for number in range(2):
        np.savez(
            tmp_path / f"e{number}.npz",
            speed=np.arange(5.0) + number,
            hidden_states=hidden + number,
            success=number == 0,
            task_description="stack",
            failure_type="" if number == 0 else "spill",
            event_step=-1 if number == 0 else 2,
        )
    files = sorted(tmp_path.glob("*.npz"))
    report = import_rollouts(files, tmp_path / "out.zarr", step_period=0.1)
    store = Store.open(tmp_path / "out.zarr")
    assert report.embedding_size == 8
    assert [r.id for r in store.records] == ["e0", "e1"]
    assert store.records[1].onset_step == 2
    np.testing.assert_array_equal(store.read("embedding", 1), (hidden + 1).astype(np.float16))
    np.testing.assert_array_equal(store.read("signals", 1)[:, 0], np.arange(5) + 1)


NUMBER = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_number_of_any_log_comes_back(tmp_path_factory, data):
    tmp_path = tmp_path_factory.mktemp("round")
    names = data.draw(
        st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4, unique=True)
    )
    names = [name for name in names if name != "t"] or ["x"]
    value = st.one_of(st.none(), NUMBER)
    log = []
    for number in range(data.draw(st.integers(1, 4))):
        n_rows = data.draw(st.integers(1, 7))
        rows = [{name: data.draw(value) for name in names} for _ in range(n_rows)]
        step = data.draw(
            st.one_of(st.none(), st.integers(1, n_rows - 1)) if n_rows > 1 else st.none()
        )
        log.append(
            {"episode_id": number, "success": data.draw(st.booleans()), "steps": rows}
            | {"event_step": step, "task": data.draw(st.text(max_size=5))}
        )
    _, store = load(tmp_path, log)
    assert [c.name for c in store.contract.signals] == names
    for number, told in enumerate(log):
        expected = np.array(
            [[np.nan if row[n] is None else row[n] for n in names] for row in told["steps"]],
            dtype=np.float32,
        )
        np.testing.assert_array_equal(store.read("signals", number), expected)
        record = store.records[number]
        assert record.onset_step == (-1 if told["event_step"] is None else told["event_step"])
        assert (record.outcome is Outcome.SUCCESS) == told["success"]
        assert record.task == told["task"]


def broken(change):
    one = episode(1)
    change(one)
    return one


BAD = {
    "nan": (lambda e: e["steps"][2].update(jerk=math.nan), "line 2.*NaN.*null"),
    "infinite": (lambda e: e["steps"][2].update(jerk=math.inf), "line 2.*Infinity"),
    "too large": (lambda e: e["steps"][2].update(jerk=1e300), "jerk at step 2 is 1e\\+300"),
    "text": (lambda e: e["steps"][2].update(jerk="0.1"), "line 2: jerk at step 2 is '0.1'"),
    "bool": (lambda e: e["steps"][2].update(jerk=True), "jerk at step 2 is True"),
    "list": (lambda e: e["steps"][2].update(jerk=[1.0]), "hidden states go into an .npz"),
    "field missing": (lambda e: e["steps"][3].pop("jerk"), "step 3 .*missing \\['jerk'\\]"),
    "field new": (lambda e: e["steps"][3].update(more=1.0), "step 3 .*new \\['more'\\]"),
    "gap": (lambda e: e["steps"][3].update(t=9), "t is 9 at step 3"),
    "no success": (lambda e: e.pop("success"), "line 2: success is missing"),
    "success text": (lambda e: e.update(success="yes"), "success is 'yes'"),
    "no steps": (lambda e: e.pop("steps"), "steps is missing"),
    "empty steps": (lambda e: e.update(steps=[]), "steps is empty"),
    "steps no list": (lambda e: e.update(steps={"a": 1}), "steps must be a list"),
    "length": (lambda e: e.update(length=99), "length is 99, but there are 6 steps"),
    "event late": (lambda e: e.update(event_step=6), "event_step is 6.*1 to 5"),
    "event text": (lambda e: e.update(event_step="3"), "event_step is '3'"),
    "type of success": (lambda e: e.update(failure_type="drop"), "but success is true"),
    "type number": (lambda e: e.update(failure_type=2, success=False), "failure_type is 2"),
    "same id": (lambda e: e.update(episode_id=0), "episode_id is '0' as in .*line 1"),
    "other signals": (
        lambda e: [s.update(x=s.pop("jerk")) for s in e["steps"]],
        "other signals than in .*line 1: missing \\['jerk'\\], new \\['x'\\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named_and_nothing_is_left(tmp_path, name):
    change, message = BAD[name]
    file = write(tmp_path / "log.jsonl", [episode(0), broken(change)])
    with pytest.raises(FormatError, match=message):
        import_rollouts([file], tmp_path / "out.zarr", step_period=0.1)
    assert [p.name for p in tmp_path.iterdir()] == ["log.jsonl"]


def test_files_that_are_no_logs(tmp_path):
    whole = json.dumps(episode(1))
    cases = {
        "cut.jsonl": (whole[: len(whole) // 2], "line 1: not JSON at character .*cut off"),
        "empty.jsonl": ("", "empty.jsonl: the file is empty"),
        "array.jsonl": ("[1, 2]\n", "line 1: .1, 2. is no object"),
    }
    for name, (text, message) in cases.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(FormatError, match=message):
            import_rollouts([tmp_path / name], tmp_path / "out.zarr", step_period=0.1)
    packed = write(tmp_path / "log.jsonl.gz", [episode(i) for i in range(50)]).read_bytes()
    (tmp_path / "log.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(FormatError, match=r"log.jsonl.gz, line \d+: the gzip file is damaged"):
        import_rollouts([tmp_path / "log.jsonl.gz"], tmp_path / "out.zarr", step_period=0.1)
    (tmp_path / "object.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(FormatError, match=r"object\.npz: not an .npz file"):
        import_rollouts([tmp_path / "object.npz"], tmp_path / "out.zarr", step_period=0.1)
    with pytest.raises(UnknownNameError, match=r"known: \.jsonl"):
        import_rollouts([Path(__file__)], tmp_path / "out.zarr", step_period=0.1)
    assert not list(tmp_path.glob("*.zarr*")) + list(tmp_path.glob(".*"))


def test_objects_in_npz_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "e.npz", speed=np.arange(3.0), success=np.array([{"a": 1}]))
    with pytest.raises(FormatError, match=r"e\.npz: not an .npz file of plain arrays"):
        import_rollouts([tmp_path / "e.npz"], tmp_path / "out.zarr", step_period=0.1)


def test_an_existing_store_stays_and_units_of_unknown_signals_are_refused(tmp_path):
    file = write(tmp_path / "log.jsonl", [episode(0)])
    out = tmp_path / "out.zarr"
    with pytest.raises(UnknownNameError, match="'sped'; known: speed, jerk"):
        import_rollouts([file], out, step_period=0.1, units={"sped": "m/s"})
    import_rollouts([file], out, step_period=0.1)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    with pytest.raises(SalusError, match="exists"):
        import_rollouts([file], out, step_period=0.1)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


@pytest.mark.skipif(not PI0.is_dir(), reason="the rollouts of pi0 are not beside this checkout")
def test_real_rollouts_of_pi0(tmp_path):
    report = import_rollouts([PI0 / "task_5.jsonl.gz"], tmp_path / "pi0.zarr", step_period=0.25)
    assert (report.episodes, report.failures, len(report.signals)) == (50, 8, 11)
    assert examine(tmp_path / "pi0.zarr").exit_status == 0
