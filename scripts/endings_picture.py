"""Draw the picture of the README.

python scripts/endings_picture.py STORE... docs/pictures/endings.jpg

One strip for each ending: the front camera above the wrist camera, the onset framed.
"""

import base64
import io
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from salus_data.summary.pictures import Filmstrip, filmstrip
from salus_data.summary.statistics import chosen_episodes
from salus_data.view import StoreView

SIDE = 128  # [px]
GAP = 4
TITLE = 22
COLOURS = {
    "success": "#14866d",
    "collision": "#c0364a",
    "drop": "#d98513",
    "miss": "#9b4fb0",
    "timeout": "#2f6fb5",
}


def main(paths: list[str], out: Path) -> None:
    """Write the picture of the stores."""
    view = StoreView(paths)
    found = [filmstrip(view, episode) for episode in chosen_episodes(view)]
    strips = [strip for strip in found if strip.ending in COLOURS]
    height = TITLE + 2 * SIDE + 3 * GAP
    columns = max(len(strip.frames) for strip in strips)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) + GAP, height * len(strips)), "white")
    for row, strip in enumerate(strips):
        draw_strip(sheet, strip, row * height)
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, quality=88, optimize=True)


def draw_strip(sheet: Image.Image, strip: Filmstrip, top: int) -> None:
    """Draw one strip with its title at height `top`."""
    draw = ImageDraw.Draw(sheet)
    colour = COLOURS[strip.ending]
    draw.text((GAP, top + 3), strip.ending, fill=colour, font=ImageFont.load_default(15))
    for column, frame in enumerate(strip.frames):
        x = GAP + column * (SIDE + GAP)
        for number, picture in enumerate(frame.pictures):
            y = top + TITLE + number * (SIDE + GAP)
            data = base64.b64decode(picture.split(",", 1)[1])
            sheet.paste(Image.open(io.BytesIO(data)).resize((SIDE, SIDE)), (x, y))
        if frame.is_onset:
            box = (x - 2, top + TITLE - 2, x + SIDE + 1, top + TITLE + 2 * SIDE + GAP + 1)
            draw.rectangle(box, outline=colour, width=4)
        caption = f"{frame.step}: {frame.caption}" if frame.caption else str(frame.step)
        draw.text((x + 60, top + 6), caption, fill="#555", font=ImageFont.load_default(11))


if __name__ == "__main__":
    main(sys.argv[1:-1], Path(sys.argv[-1]))
