"""The summary page: it says what the store holds, and it needs nothing from outside."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from builders import PLAN, build_store, make_contract
from hypothesis import given
from hypothesis import strategies as st

from salus_data.doctor import Report
from salus_data.errors import FormatError
from salus_data.summary import write_summary
from salus_data.summary.pictures import FRAMES, shown_steps
from salus_data.summary.statistics import (
    disturbance_families,
    label_rows,
    outcome_shares,
    wilson_interval,
)
from salus_data.view import StoreView


class Page(HTMLParser):
    """Collects cells, pictures and links; fails on tags that do not close."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open and self.cells:
            self.cells[-1] = (self.cells[-1] + data).strip()


@pytest.fixture(scope="module")
def page(sound_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    out = tmp_path_factory.mktemp("page") / "deep" / "summary.html"
    commands = ["salus collect --episodes 16 --out <somewhere>"]
    write_summary(sound_store, out, title="Sixteen & more", commands=commands)
    return Page(out.read_text())


def text_of(path: Path, **arguments: object) -> str:
    out = path.parent / "page.html"
    write_summary(path, out, **arguments)
    return out.read_text()


def test_the_page_is_closed_and_needs_nothing_from_outside(page: Page) -> None:
    assert page.open == []
    assert page.sources
    assert all(source.startswith(("data:image/", "#")) for source in page.sources)


def test_the_page_counts_outcomes(page: Page) -> None:
    row = page.cells.index("success")
    assert page.cells[row : row + 3] == ["success", "6", "37.5 %"]


def test_each_ending_has_a_filmstrip_of_both_cameras(page: Page) -> None:
    pictures = [source for source in page.sources if source.startswith("data:image/")]
    assert len(pictures) == 6 * FRAMES * 2  # success, four failure types, truncated


def test_commands_and_titles_are_text_and_no_markup(sound_store: Path, tmp_path: Path) -> None:
    out = write_summary(sound_store, tmp_path / "p.html", title="a <b>", commands=["x > <y>"])
    assert "a &lt;b&gt;" in out.read_text()
    assert "x &gt; &lt;y&gt;" in out.read_text()


def test_the_page_shows_what_the_doctor_said(tmp_path: Path) -> None:
    path = build_store(tmp_path / "one.zarr", contract=make_contract(ensemble_size=1))
    text = text_of(path)
    assert "Unsound" in text
    assert "ensemble_of_one" in text


def test_a_collection_without_images_has_a_page(tmp_path: Path) -> None:
    assert "recorded without images" in text_of(build_store(tmp_path / "n.zarr", frame=None))


def test_a_collection_of_one_class_has_a_page(tmp_path: Path) -> None:
    path = build_store(tmp_path / "s.zarr", frame=None, plan=[PLAN[0]], episodes=2)
    assert "one_class" in text_of(path)


def test_a_report_that_is_given_is_not_made_again(sound_store: Path, tmp_path: Path) -> None:
    report = Report((str(sound_store),), counts={"positive_steps": 1, "valid_steps": 2})
    report.counts["positive_ratio"] = 0.5
    out = write_summary(sound_store, tmp_path / "p.html", report=report)
    assert "50.0 %" in out.read_text()


def test_a_page_is_replaced_whole(sound_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.html"
    out.write_text("old")
    write_summary(sound_store, out)
    assert out.read_text() != "old"
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="nowhere"):
        write_summary(tmp_path / "nowhere", tmp_path / "p.html")


def test_counts_agree_with_the_records(sound_store: Path) -> None:
    view = StoreView(sound_store)
    assert sum(share.count for share in outcome_shares(view)) == len(view)
    families = {family.name: family for family in disturbance_families(view)}
    assert families["none"].counts == {"success": 6}
    assert families["slow_down"].total == 10
    for row in label_rows(view):
        # Two failed episodes a type, each with as many positive steps as the horizon has.
        assert set(row.positive.values()) == {2 * row.horizon}


def test_wilson_interval_of_known_counts() -> None:
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_share(count: int, total: int) -> None:
    count = min(count, total)
    low, high = wilson_interval(count, total)
    assert 0 <= low <= count / total + 1e-12
    assert count / total - 1e-12 <= high <= 1


@given(st.integers(1, 400), st.integers(-1, 400))
def test_a_filmstrip_shows_start_onset_and_end(last: int, onset: int) -> None:
    onset = min(onset, last)
    steps = shown_steps(onset, last)
    assert steps == sorted(set(steps))
    assert len(steps) <= FRAMES
    assert {0, last} <= set(steps)
    assert onset < 0 or onset in steps


def test_every_colour_that_is_used_is_defined(sound_store: Path) -> None:
    text = text_of_template()
    defined = set(re.findall(r"--([a-z]+):", text))
    used = set(re.findall(r"var\(--([a-z]+)\)", text))
    endings = {share.ending for share in outcome_shares(StoreView(sound_store))}
    assert used | endings <= defined


def text_of_template() -> str:
    import salus_data.summary

    parts = sorted(Path(salus_data.summary.__file__).parent.glob("*.html.j2"))
    return "".join(part.read_text() for part in parts)
