"""The report as a reader sees it: in a wide window, in a narrow one, and on paper."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Seen, find_browser, open_page, print_page
from learning import make_data, write_store
from PIL import Image

from salus_predictor.baselines.registry import baselines, chosen
from salus_predictor.evaluation.benchmark import Split, run_benchmark
from salus_predictor.evaluation.evaluate import Settings
from salus_predictor.evaluation.protocol import benchmark_json, write_json
from salus_predictor.evaluation.run import evaluate_model
from salus_predictor.model.folder import Model
from salus_predictor.model.writing import save_model
from salus_predictor.report.page import write_report
from salus_predictor.steps import StepData

pytestmark = [
    pytest.mark.skipif(find_browser() is None, reason="no Chromium or Chrome on this machine"),
    pytest.mark.timeout(900),  # a start of Chromium: 5 s, minutes on a busy machine
]

PAPER = 703
"""Width of the text on A4 [px of 1/96 inch]: 210 mm less two margins of 12 mm."""

PLOTS = 8
"""Pictures of the whole data; timelines and frames of episodes come on top."""


@pytest.fixture(scope="module")
def page(
    fitted_model: Model,
    train_data: StepData,
    held_data: StepData,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What `salus evaluate` writes, with baselines, for episodes with two cameras."""
    folder = tmp_path_factory.mktemp("report")
    new = make_data(48, first=200)
    new = replace(new, contract=replace(new.contract, cameras=("front", "wrist")))
    store = write_store(folder / "test.zarr", new, frame=(24, 32))
    save_model(fitted_model, folder / "model")
    split = Split(train_data, held_data, StepData.read([store], embedding=True))
    names = "always_negative,base_rate,elapsed_time,logistic_windows,stac"
    recipes = chosen(baselines(new.signal_names), names)
    quick = Settings(replicates=20)
    others = run_benchmark(recipes, split, far=0.2, settings=replace(quick, causes=False))
    document = benchmark_json(others, split, seed=0, replicates=20)
    result = evaluate_model(
        folder / "model",
        [store],
        baselines=write_json(folder / "benchmark.json", document),
        settings=quick,
        command=f"salus evaluate {folder / 'model'} {store}",
    )
    return write_report(result, folder / "report.html")


@pytest.fixture(scope="module", params=[1200, 600])
def shown(
    request: pytest.FixtureRequest, page: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Seen, Image.Image]:
    return open_page(page, tmp_path_factory.mktemp("shown"), request.param)


def flaws(seen: Seen) -> dict[str, object]:
    """What a reader would notice, by its kind."""
    found: dict[str, object] = {
        "console": seen.console,
        "broken": seen.broken,
        "sticks_out": seen.sticks_out,
        "scrolls_sideways": max(seen.page - seen.window, 0),
        "small": [box for box in seen.pictures if box[2] - box[0] < 30 or box[3] - box[1] < 15],
        "too_few_plots": len(seen.pictures) < PLOTS,
    }
    return {kind: value for kind, value in found.items() if value}


def empty_pictures(seen: Seen, image: Image.Image) -> list[list[float]]:
    """Boxes of pictures in which nothing is drawn."""
    return [
        box for box in seen.pictures if np.ptp(np.asarray(image.crop(box)), axis=(0, 1)).max() < 30
    ]


def test_on_a_screen_everything_is_there_and_nothing_is_cut(
    shown: tuple[Seen, Image.Image],
) -> None:
    seen, image = shown
    assert flaws(seen) == {}
    assert image.height == seen.height  # the picture holds the whole page
    assert empty_pictures(seen, image) == []
    rows = np.asarray(image.convert("L")).astype(int)
    inked = np.flatnonzero(np.ptp(rows, axis=1) > 30)
    assert np.diff(inked, prepend=0, append=seen.height).max() < 200  # no hole in the page
    for heading in (
        "Which failure, step by step",
        "Where the errors lie",
        "Beside what it has to beat",
        "True alarms",
    ):
        assert heading in seen.text


def test_on_paper_nothing_is_cut_and_there_are_pages(page: Path, tmp_path: Path) -> None:
    seen, pdf = print_page(page, tmp_path, PAPER)
    assert flaws(seen) == {}
    assert pdf.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 3 <= pages <= 15
    assert pdf.count(b"/FontDescriptor")  # text that can be selected and searched


DAMAGE = {
    "scrolls_sideways": '<div style="width: 90rem">wide</div>',
    "sticks_out": '<svg width="50" height="20"><text x="40" y="15">label</text></svg>',
    "broken": '<img src="gone.png" alt="gone" width="50" height="50">',
    "console": "<script>undefined_function()</script>",
    "small": '<svg width="5" height="5"></svg>',
}


def test_a_broken_page_is_noticed(page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("<h2>", f"{''.join(DAMAGE.values())}<h2>", 1))
    seen, image = open_page(broken, tmp_path, 600)
    found = flaws(seen)
    assert set(found) == set(DAMAGE)
    assert any("label" in text for text in seen.sticks_out)
    assert any("undefined_function" in line for line in seen.console)
    assert len(empty_pictures(seen, image)) >= 1
