"""Pages in a real headless Chromium: accessibility by axe-core, the keyboard alone, and nothing drawn over another.

Needs Chromium (Debian's package, or Google's) and the package axe-playwright-python, which brings axe-core.
"""

import importlib.util
import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.report.page import write_report
from tests.report import test_located_page as located
from tests.report.test_report_page import CHROMIUM, made

pytestmark = [
    pytest.mark.slow,  # every test opens pages in a browser
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(importlib.util.find_spec("axe_playwright_python") is None, reason="no axe-core here"),
]
DESKTOP, PHONE = (1200, 900), (390, 844)
OVER = """() => [...document.querySelectorAll("#plots svg")].map((svg) =>
  [...svg.querySelectorAll("text")].map((t) => { const b = t.getBoundingClientRect();
    return [t.textContent, b.left, b.top, b.right, b.bottom]; }))"""
FOCUS = "() => { const a = document.activeElement; return a.id || (a.querySelector('b') || a).textContent; }"


def focus_comes_back_to(page, words):
    """Once the dialog has told that it is closed, which it does a moment after it is."""
    page.wait_for_function(f"({FOCUS})() === {json.dumps(words)}", timeout=60_000)


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """A page opened at a width, in light or dark; what it reports as an error fails the test."""
    contexts, errors = [], []

    def go(path, size=DESKTOP, scheme="light"):
        context = chromium.new_context(
            viewport=dict(zip(("width", "height"), size, strict=True)), color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(300_000)  # of milliseconds: a busy machine starts a browser slowly
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request", lambda r: errors.append(r.url) if not r.url.startswith(("file:", "data:")) else None
        )
        page.goto(Path(path).as_uri())
        return page

    yield go
    for context in contexts:
        context.close()
    assert not errors


def violations(page):
    """What axe-core finds wrong, one line a rule."""
    import axe_playwright_python

    page.evaluate(
        (Path(os.path.dirname(axe_playwright_python.__file__)) / "axe.min.js").read_text(encoding="utf-8")
    )
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found]


def collisions(words):
    """The pairs of words, as `OVER` tells of a chart, that lie on one another."""
    return [
        (one, other)
        for one, other in combinations(words, 2)
        if one[3] > other[1] and other[3] > one[1] and one[4] > other[2] and other[4] > one[2]
    ]


def overflow(page):
    """By how many px the page is wider than its window; at most 0 where nothing sticks out."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture(scope="module")
def page_of_chips(tmp_path_factory):
    """Of chips found in scenes."""
    pytest.importorskip("rasterio")
    folder = tmp_path_factory.mktemp("located")
    located.files(folder)
    located.made(folder)
    return folder / "page.html"


@pytest.fixture(scope="module")
def page_of_scenes(tmp_path_factory):
    """Of a scene brought onto another."""
    pytest.importorskip("rasterio")
    folder = tmp_path_factory.mktemp("aligned")
    land = located.ground(220, 720)  # two parts of it are shown
    located.write(folder / "reference.tif", land, nodata=0)
    located.write(folder / "moving.tif", np.roll(located.other_date(land), (3, 2), (0, 1)), nodata=0)
    names = [str(folder / name) for name in ("moving.tif", "reference.tif", "page.html")]
    arguments = ["align", *names[:2], "-o", names[2], "--count", "12", "--transform", "shift", "-q"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return folder / "page.html"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Of a match with and without answers."""
    folder = tmp_path_factory.mktemp("pages")
    inputs = made(folder, 70)
    write_report(folder / "judged.html", *inputs, folder / "answers.csv")
    write_report(folder / "plain.html", *inputs)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", ["judged", "plain"])
def test_nothing_for_axe_to_find(pages, opened, name, size, scheme):
    page = opened(pages / f"{name}.html", size, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert violations(page) == []
    page.locator(".card").first.click()
    assert page.locator("#dialog").is_visible()
    assert violations(page) == []
    assert overflow(page) <= 0


def test_axe_would_find_something(pages, opened):
    page = opened(pages / "judged.html")
    page.evaluate(
        "document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"data:,\"><h5>low</h5>')"
    )
    assert {line.split(":")[0] for line in violations(page)} == {"image-alt", "heading-order"}


def test_keyboard_alone(pages, opened):
    page = opened(pages / "judged.html")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS) == "Skip to the gallery"
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS) == "gallery"
    for _ in range(4):  # the three fields of the gallery, then its first match
        page.keyboard.press("Tab")
    assert page.evaluate(FOCUS) == "patch 0"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator("#dialog h2").inner_text() == "Patch 1"
    assert page.locator("#before").get_attribute("aria-disabled") == "false"
    for key, name in zip(("Right", "Down", "Left", "Up", "Up", "Up"), (2, 3, 2, 1, 0, 0), strict=True):
        page.keyboard.press(f"Arrow{key}")
        assert page.locator("#dialog h2").inner_text() == f"Patch {name}"
    assert page.locator("#before").get_attribute("aria-disabled") == "true"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert not page.locator("#dialog").is_visible()
    focus_comes_back_to(page, "patch 1")


def test_dialog_goes_on_to_matches_that_are_not_shown_yet(pages, opened):
    page = opened(pages / "judged.html")
    cards = page.locator(".card")
    assert cards.count() == 60
    cards.nth(59).click()
    page.locator("#after").click()
    assert page.locator("#dialog h2").inner_text() == "Patch 60"
    assert cards.count() == 70
    page.locator("#close").click()
    focus_comes_back_to(page, "patch 60")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_no_words_of_a_chart_lie_over_others(pages, opened, size):
    charts = opened(pages / "judged.html", size).evaluate(OVER)
    assert len(charts) == 3
    assert {"confidence, from", "patches", "share right, 95 % interval"} <= {
        t[0] for words in charts for t in words
    }
    for words in charts[:2]:
        assert collisions(words) == []


def test_a_lone_chart_does_not_fill_the_page(pages, opened):
    page = opened(pages / "plain.html")
    assert page.locator(".chart").count() == 1
    assert page.locator(".chart").bounding_box()["width"] < DESKTOP[0] / 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_chips_in_scenes(page_of_chips, opened, size, scheme):
    page = opened(page_of_chips, size, scheme)
    assert violations(page) == []
    assert overflow(page) <= 0
    words = page.evaluate(OVER.replace("#plots svg", ".ground-map svg"))[0]
    assert collisions(words) == []
    drawn = page.evaluate(
        "[...document.querySelectorAll('.card img')].map((i) => i.decode().then(() => i.naturalWidth))"
    )
    assert len(drawn) == 7
    page.locator("#which").select_option("none")
    assert page.locator(".card:visible").count() == 1
    assert page.locator("#count").inner_text() == "1 of 3 shown"
    page.locator("#which").select_option("all")
    page.locator("#sort").select_option("sure")
    assert page.locator(".card h3").all_inner_texts() == ["none.tif", "b.tif", "a.tif"]


def test_the_map_and_the_skip_link_lead_to_chips(page_of_chips, opened):
    page = opened(page_of_chips)
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS) == "Skip to the chips"
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS) == "gallery"
    page.locator("#which").select_option("none")
    page.locator(".ground-map a").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'chip-1'")
    assert page.locator("#chip-1").is_visible()  # though it was not among those shown


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_scenes_on_one_another(page_of_scenes, opened, size, scheme):
    page = opened(page_of_scenes, size, scheme)
    assert violations(page) == []
    assert overflow(page) <= 0
    for words in page.evaluate(OVER.replace("#plots svg", ".chart svg")):
        assert collisions(words) == []


def test_squares_and_blinking_by_keyboard_alone(page_of_scenes, opened):
    """Both pictures are drawn into each other; what the keys change is seen."""
    page = opened(page_of_scenes)
    shown = "() => document.querySelector('canvas.pair').toDataURL()"
    page.wait_for_function(
        "() => { const c = document.querySelector('canvas.pair');"
        " return c.getContext('2d').getImageData(9, 9, 1, 1).data[3] === 255; }"
    )
    first = page.evaluate(shown)
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS) == "blink"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.locator("#squares").input_value() == "9"
    assert page.evaluate(shown) != first
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator("#blink").get_attribute("aria-pressed") == "true"
    one = page.evaluate(shown)
    page.wait_for_function("(old) => document.querySelector('canvas.pair').toDataURL() !== old", arg=one)


def test_before_and_after_stand_side_by_side(page_of_scenes, opened):
    page = opened(page_of_scenes)
    rows = page.evaluate(
        "() => [...document.querySelectorAll('canvas.pair')].map((c) => c.getBoundingClientRect().top)"
    )
    assert len(rows) >= 4
    assert rows[::2] == rows[1::2]


def test_places_of_a_chip_are_in_sight_as_a_whole(page_of_chips, opened):
    page = opened(page_of_chips)
    hidden = page.evaluate(
        "() => [...document.querySelectorAll('.located .scroll')].map((s) => s.scrollWidth - s.clientWidth)"
    )
    assert hidden
    assert max(hidden) <= 0
