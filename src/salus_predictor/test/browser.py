"""Open a page in headless Chromium: what it looks like, what sticks out, what the console says.

Flags are enough: `--dump-dom` tells what a script at the end of a copy of the page has measured,
`--screenshot` and `--print-to-pdf` what is drawn.
"""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Final

from PIL import Image

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TALL: Final = 14000
"""Height of the window [px]: the whole page is in one screenshot."""

SECONDS: Final = 280
QUIETLY: Final = (
    "--headless",
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--enable-logging=stderr",
)

MEASURE: Final = """
<script>
addEventListener("load", () => {
  if (PRINTED) for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)
    if (rule.media?.mediaText === "print") rule.media.mediaText = "all";
  const box = (e) => {
    const r = e.getBoundingClientRect();
    return [r.left, r.top, r.right, r.bottom];
  };
  const name = (e) => `${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 40)}`;
  const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX);
  const html = [...document.body.querySelectorAll("*")].filter((e) => e instanceof HTMLElement);
  const out = html.filter((e) => !scrolls(e) && e.clientWidth && e.scrollWidth > e.clientWidth + 1);
  for (const svg of document.querySelectorAll("svg")) {
    const [left, top, right, bottom] = box(svg);
    out.push(...[...svg.querySelectorAll("text")].filter((text) => {
      const b = box(text);
      return b[0] < left - 1 || b[1] < top - 1 || b[2] > right + 1 || b[3] > bottom + 1;
    }));
  }
  const found = {
    window: innerWidth,
    page: document.documentElement.scrollWidth,
    height: Math.ceil(document.body.getBoundingClientRect().height),
    text: document.body.innerText,
    pictures: [...document.querySelectorAll("svg, img")].map(box),
    sticks_out: out.map(name),
    broken: [...document.images].filter((i) => !i.naturalWidth).map((i) => i.alt),
  };
  const pre = document.createElement("pre");
  pre.hidden = true; pre.id = "measured"; pre.textContent = JSON.stringify(found);
  document.body.append(pre);
});
</script>
"""


def find_browser() -> str | None:
    """Path of a Chromium or Chrome, if this machine has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Seen:
    """A page as a browser shows it.

    Attributes:
        window: width of the window [px].
        page: width of the page [px]; more than the window means a horizontal scroll bar.
        height: of the page [px].
        text: that is visible.
        pictures: left, top, right, bottom [px] of every SVG and image.
        sticks_out: elements whose content is wider than they are, labels that leave their plot.
        broken: images that cannot be shown.
        console: errors and warnings of the console.
    """

    window: int
    page: int
    height: int
    text: str
    pictures: list[list[float]]
    sticks_out: list[str]
    broken: list[str]
    console: list[str]


def open_page(page: Path, folder: Path, width: int) -> tuple[Seen, Image.Image]:
    """Show a page in a window of this width [px]; the second result is all of it, as drawn."""
    picture = folder / f"{width}.png"
    seen = _run(page, folder, f"--window-size={width},{TALL}", f"--screenshot={picture}")
    return seen, Image.open(picture).convert("RGB").crop((0, 0, width, min(seen.height, TALL)))


def print_page(page: Path, folder: Path, width: int) -> tuple[Seen, bytes]:
    """Print a page; what is seen is its print style in a window as wide as the paper's text [px].

    A printer shrinks what is too wide, so that the PDF alone would not tell.
    """
    out = folder / "page.pdf"
    size, to = f"--window-size={width},{TALL}", f"--print-to-pdf={out}"
    seen = _run(page, folder, size, to, "--no-pdf-header-footer", printed=True)
    return seen, out.read_bytes()


def _run(page: Path, folder: Path, *options: str, printed: bool = False) -> Seen:
    browser = find_browser()
    assert browser is not None
    script = MEASURE.replace("PRINTED", str(printed).lower())
    copy = page.with_name("measured.html")
    copy.write_text(page.read_text(encoding="utf-8") + script, encoding="utf-8")
    command = [browser, *QUIETLY, f"--user-data-dir={folder / 'profile'}", *options, "--dump-dom"]
    done = subprocess.run(
        [*command, copy.resolve().as_uri()],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    found = re.search(r'<pre [^>]*id="measured"[^>]*>(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    console = [line for line in done.stderr.splitlines() if re.search(r":CONSOLE\b", line)]
    return Seen(**json.loads(unescape(found[1])), console=console)
