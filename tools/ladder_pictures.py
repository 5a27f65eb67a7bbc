"""The pictures of docs/accuracy.md: lines of scores against a number, and cards of the surest wrong answers."""

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rounds import Answer, Round

from matcher.report.figures import new_figure, save_figure
from matcher.report.gallery import GalleryCard, draw_gallery

LARGEST = 60_000  # bytes of a picture
SHOWN = 8  # wrong answers in the picture
WIDTH = 900  # px


def draw_lines(path: Path, what: str, at: Sequence[int], values: dict[str, Sequence[float]]) -> None:
    """Official scores, a line a group, against a number on a logarithmic axis."""
    figure = new_figure(path, 6.0, 3.6)
    axes = figure.add_subplot()
    for name, line in values.items():
        style = {"all": "ko-"}.get(name, "ko--" if name.startswith("all") else "o-")
        axes.plot(at, line, style, label=name, lw=2.4 if name == "all" else 1.2, ms=4)
    axes.set_xscale("log")
    axes.set_xticks(at, [str(k) for k in at])
    axes.minorticks_off()
    axes.set_xlabel(what)
    axes.set_ylabel("official score")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(figure, path, dpi=110)


def draw_failures(
    path: Path, rounds: Sequence[Round], answers: Sequence[Answer], wrong: Sequence[list[int]]
) -> None:
    """Cards of the surest wrong answers, of as many images as there are: patch, found window, true window."""
    rows = [(k, n) for k, some in enumerate(wrong) for n in some]
    rows.sort(key=lambda row: -answers[row[0]].confidence[row[1]])
    turn: dict[int, int] = {}
    order = []
    for k, n in rows:
        image = int(rounds[k].truth.image[n])
        turn[image] = turn.get(image, 0) + 1
        order.append(turn[image])
    chosen = [rows[j] for j in np.argsort(order, kind="stable")[:SHOWN]]
    pictures = {k: rounds[k].load_images() for k in {k for k, _ in chosen}}
    named = {k: _names(rounds[k]) for k in pictures}
    cards = [_card(rounds[k], answers[k], n, pictures[k], named[k]) for k, n in chosen]
    title = f"{sum(map(len, wrong))} of {sum(len(r.patches) for r in rounds)} answers are wrong; the surest of them"
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder, "sheet.png")
        draw_gallery(sheet, title, {"Wrong": cards})
        with Image.open(sheet) as drawn:
            small = drawn.convert("RGB").resize((WIDTH, round(drawn.height * WIDTH / drawn.width)))
    for quality in range(90, 10, -5):
        data = io.BytesIO()
        small.save(data, "JPEG", quality=quality, optimize=True)
        if len(data.getvalue()) <= LARGEST:
            break
    path.write_bytes(data.getvalue())


def _names(round_: Round) -> dict[int, str]:
    """The place of every image that a patch lies in."""
    return {int(i): row["place"] for i, row in zip(round_.truth.image, round_.about, strict=True)}


def _card(round_: Round, answer: Answer, n: int, images: list[NDArray], names: dict[int, str]) -> GalleryCard:
    about, truth = round_.about[n], round_.truth
    found, true = int(answer.image[n]), int(truth.image[n])
    at, corner = (int(answer.x[n]), int(answer.y[n])), (int(truth.x[n]), int(truth.y[n]))
    off = "other image" if found != true else f"{np.hypot(at[0] - corner[0], at[1] - corner[1]):.0f} px off"
    reason = f" ({answer.reason[n]})" if answer.reason[n] else ""
    side = round_.patches.shape[1]

    def window(image: NDArray, x: int, y: int) -> NDArray:
        return image[y : y + side, x : x + side]

    return GalleryCard(
        title=f"{about['place']}, {about['group']}: {off}, confidence {answer.confidence[n]:.2f}{reason}",
        good=False,
        pictures=(round_.patches[n], window(images[found], *at), window(images[true], *corner)),
        captions=(
            ("patch", about["patch date"]),
            (f"found: {names.get(found, f'image {found}')}", f"x {at[0]}, y {at[1]}"),
            (f"true: {about['place']}", f"x {corner[0]}, y {corner[1]}, {about['target date']}"),
        ),
    )
