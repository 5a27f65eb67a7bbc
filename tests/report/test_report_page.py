"""The page on a match: what stands in it, its size, and that a real browser shows and steers it."""

import base64
import csv
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import matcher
from matcher.cli import main
from matcher.errors import MatcherError
from matcher.formats.submission import write_submission
from matcher.formats.thumbs import alike, colours, pack, webp
from matcher.placements import Placements
from matcher.report.page import choose, write_report
from matcher.result import Result, read_details

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RNG = np.random.default_rng(5)


def made(folder, patches, images=3, size=128, side=32, bands=4):
    """Files of a match whose answers are half right; the confidence of patch k is (k + 1) / (patches + 1)."""
    grain = (
        RNG.integers(0, 4000, (images, size // 8, size // 8, bands))
        .repeat(8, 1)
        .repeat(8, 2)
        .astype(np.uint16)
    )
    stack = grain + RNG.integers(0, 90, grain.shape).astype(np.uint16)
    ids = np.arange(patches)
    image = ids % images
    x, y = RNG.integers(0, size - side, (2, patches))
    chips = np.stack([stack[i, r : r + side, c : c + side] for i, r, c in zip(image, y, x, strict=True)])
    np.savez(folder / "images.npz", images=stack)
    np.savez(folder / "patches.npz", patches=chips)
    confidence = ((ids + 1) / (patches + 1)).astype(np.float32)
    score = np.where(ids == 1, np.nan, 9.5).astype(np.float32)
    second = np.full(patches, -1)
    reason = tuple("ambiguous" if c < 0.5 else "" for c in confidence)
    result = Result(ids, image, x, y, score, second, score, confidence, reason)
    result.to_details(folder / "details.csv")
    true = np.where(ids % 2 == 0, image, (image + 1) % images)
    write_submission(folder / "answers.csv", Placements(ids, true, x, y))
    return [folder / name for name in ("images.npz", "patches.npz", "details.csv")]


def data_of(path):
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', path.read_text(), re.S)
    return json.loads(found.group(1).replace("<\\/", "</"))


def test_contents(tmp_path):
    report = write_report(tmp_path / "r.html", *made(tmp_path, 12), tmp_path / "answers.csv")
    assert report.patches == report.shown == 12
    assert report.size == (tmp_path / "r.html").stat().st_size
    data = data_of(tmp_path / "r.html")
    assert [entry[0] for entry in data["gallery"]] == list(range(12))  # the least sure first
    assert [row[8] for row in data["rows"]] == [0, -1] * 6
    assert data["rows"][1][4] is None
    assert data["score"][0]["value"] == 0.5
    assert sum(image["count"] for image in data["images"]) == 12
    text = (tmp_path / "r.html").read_text()
    assert "{{" not in text
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", text)  # nothing is fetched
    assert "http://www.w3.org/2000/svg" in text
    assert len(re.findall(r"https?://", text)) == 1


def test_the_true_window_is_shown_where_the_answer_is_not_right(tmp_path):
    write_report(tmp_path / "r.html", *made(tmp_path, 12), tmp_path / "answers.csv")
    data = data_of(tmp_path / "r.html")
    assert [entry[3] is not None for entry in data["gallery"]] == [False, True] * 6  # every second is wrong
    with np.load(tmp_path / "images.npz") as file:
        stack = file["images"]
    _, x, y = data["rows"][1][9]
    window = stack[data["rows"][1][9][0], y : y + 32, x : x + 32]
    entry = next(e for e in data["gallery"] if e[0] == 1)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(entry[3]))).convert("RGB")).astype(float)
    assert np.abs(shown - colours(window, False)).mean() < 25  # WebP loses a little; another window is 60 off


@pytest.mark.parametrize("kind", ["submission.csv", "ranking.npz"])
def test_a_page_of_a_submission_and_of_a_ranking(tmp_path, kind):
    images, patches, details = made(tmp_path, 12)
    result = read_details(details)
    path = tmp_path / kind
    if kind == "submission.csv":
        result.to_submission(path)
    else:
        columns = [np.stack([c, c], -1) for c in (result.x, result.y)]
        both = np.stack([result.image, (result.image + 1) % 3], -1)
        np.savez(
            path, ids=result.ids, image=both, x=columns[0], y=columns[1], score=np.tile([2.0, 1.0], (12, 1))
        )
    write_report(tmp_path / "r.html", images, patches, path, tmp_path / "answers.csv")
    data = data_of(tmp_path / "r.html")
    assert [row[1] for row in data["rows"]] == result.image.tolist()
    assert all(row[5] is None for row in data["rows"])  # nobody said how sure
    assert [data["rows"][entry[0]][8] for entry in data["gallery"][:6]] == [-1] * 6  # the wrong ones first
    names = [row["name"] for row in data["score"]]
    assert names[0] == "official score"
    assert ("mean reciprocal rank" in names) == (kind == "ranking.npz")
    if kind == "ranking.npz":
        assert data["rows"][0][7] == 1


@pytest.mark.parametrize("name", ["places.csv", "places.geojson"])
def test_a_page_of_places(tmp_path, name):
    """Of chips in scenes: windows are of the scene's pixels, and a refused chip has none."""
    pytest.importorskip("rasterio")
    from tests.formats.test_rasters import write

    scene = RNG.integers(1, 4000, (90, 100, 4)).astype(np.uint16)
    write(tmp_path / "scene.tif", scene)
    (tmp_path / "chips").mkdir()
    write(tmp_path / "chips" / "a.tif", scene[20:60, 30:70])
    write(tmp_path / "chips" / "b.tif", scene[5:45, 5:45])
    there = {"chip": "a.tif", "rank": 1, "scene": "scene.tif", "row": 10.4, "col": 19.6, "scale": 2.0, "rotation": 0.0,
             "score": 9.0, "confidence": 0.9, "reason": ""}  # fmt: skip
    refused = there | {"chip": "b.tif", "rank": 0, "scene": None, "row": None, "col": None, "scale": None}
    rows = [there, there | {"rank": 2, "row": 0.0}, refused]
    path = tmp_path / name
    if path.suffix == ".csv":
        with open(path, "w", newline="") as file:
            table = csv.DictWriter(file, there)
            table.writeheader()
            table.writerows(
                {key: "" if value is None else value for key, value in row.items()} for row in rows
            )
    else:
        features = [{"type": "Feature", "geometry": None, "properties": row} for row in rows]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    write_report(tmp_path / "r.html", tmp_path / "scene.tif", tmp_path / "chips", path)
    data = data_of(tmp_path / "r.html")
    assert len(data["rows"]) == 2
    assert data["files"] == {"image": {"0": "scene.tif"}, "patch": {"0": "a.tif", "1": "b.tif"}}
    by_image = {row[1]: row for row in data["rows"]}
    assert by_image[-1][2:4] == [-1, -1]
    found = next(row for row in data["rows"] if row[1] >= 0)
    assert found[2:4] == [20, 10]
    entries = {data["rows"][entry[0]][1] >= 0: entry for entry in data["gallery"]}
    assert entries[False][2] is None
    shown = Image.open(io.BytesIO(base64.b64decode(entries[True][2])))
    assert shown.size == (72, 72)  # 80 px of the scene, made small; the chip has 40
    assert Image.open(io.BytesIO(base64.b64decode(entries[True][1]))).size == (40, 40)
    strange = path.read_text().replace("scene.tif", "other.tif")
    path.write_text(strange)
    with pytest.raises(MatcherError, match=r"the scene other\.tif, which is not among those given"):
        write_report(tmp_path / "r.html", tmp_path / "scene.tif", tmp_path / "chips", path)


PLACE = {"chip": "a.tif", "rank": 1, "scene": "scene.tif", "row": 10.4, "col": 19.6, "scale": 2.0, "score": 9.0,
         "confidence": 0.9}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rank": "abc"}, "its rank is 'abc'"),
        ({"row": [1]}, r"its row is \[1\]"),
        ({"row": None}, "its row is None"),
        ({"col": "nan"}, "its col is 'nan'"),
        ({"confidence": 7}, "its confidence is 7"),
        ({"score": "inf"}, "its score is 'inf'"),
        ({"scale": 0}, "its scale is 0"),
        ({"scale": -2}, "its scale is -2"),
        ({}, "is a second best place of a.tif"),
    ],
)
def test_places_that_cannot_be(tmp_path, changed, said):
    pytest.importorskip("rasterio")
    from tests.formats.test_rasters import write

    scene = RNG.integers(1, 4000, (90, 100, 4)).astype(np.uint16)
    write(tmp_path / "scene.tif", scene)
    write(tmp_path / "a.tif", scene[20:60, 30:70])
    rows = [PLACE | {"rank": 2}, PLACE, PLACE | changed] if not changed else [PLACE | changed]
    features = [{"type": "Feature", "geometry": None, "properties": row} for row in rows]
    (tmp_path / "p.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(MatcherError, match=rf"p\.geojson, place {len(rows)}: {said}"):
        write_report(tmp_path / "r.html", tmp_path / "scene.tif", tmp_path / "a.tif", tmp_path / "p.geojson")
    assert not (tmp_path / "r.html").exists()


def test_without_answers(tmp_path):
    write_report(tmp_path / "r.html", *made(tmp_path, 5))
    data = data_of(tmp_path / "r.html")
    assert data["score"] is None
    assert all(row[8] is None and row[9] is None for row in data["rows"])


def test_refused_matches_are_in_no_image(tmp_path):
    images, patches, details = made(tmp_path, 12)
    read_details(details).refuse(0.5).to_details(details)
    write_report(tmp_path / "r.html", images, patches, details, tmp_path / "answers.csv")
    data = data_of(tmp_path / "r.html")
    refused = [row[5] < 0.5 for row in data["rows"]]
    assert sum(refused) == 6
    assert [row[1] == -1 for row in data["rows"]] == refused
    assert [row[8] is None for row in data["rows"]] == refused
    assert all(row[9] is not None for row in data["rows"])
    assert [entry[2] is None for entry in data["gallery"]] == [refused[entry[0]] for entry in data["gallery"]]
    assert sum(image["count"] for image in data["images"]) == 6
    assert data["score"][0]["value"] == 0.25  # of the twelve, three are answered and right


def test_settings_and_versions(tmp_path):
    """From the run directory that the details lie in or that is named, or as they are given."""
    images, patches, details = made(tmp_path, 4)
    page = tmp_path / "r.html"
    write_report(page, images, patches, details)
    about = dict(data_of(page)["about"])
    assert about["settings of the match"].startswith("not known")
    assert f"matcher {matcher.__version__}" in about["versions of this page"]
    write_report(page, images, patches, details, settings=matcher.Settings(effort=2.5, bands="a,b,c,d"))
    about = dict(data_of(page)["about"])
    assert (about["effort"], about["bands"], about["search"]) == ("2.5", "a, b, c, d", "pyramid")
    run_dir = tmp_path / "run"
    arguments = ["match", str(images), str(patches), "--run-dir", str(run_dir), "--evidence", "phase", "-q"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    for chosen, more in ((run_dir / "details.csv", []), (details, ["--run-dir", str(run_dir)])):
        arguments = ["report", str(images), str(patches), str(chosen), "-o", str(page), *more]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        about = dict(data_of(page)["about"])
        assert (about["evidence"], about["effort"]) == ("phase", "1")
        assert about["value range"] == "dn (images), dn (patches)"
        assert f"numpy {np.__version__}" in about["versions of the match"]
    with pytest.raises(MatcherError, match="is no run directory"):
        write_report(page, images, patches, details, settings=tmp_path)


@pytest.mark.slow
def test_a_thousand_patches_fit_5_mb(tmp_path):
    report = write_report(tmp_path / "r.html", *made(tmp_path, 1000, images=20, size=256, side=64))
    assert report.size < 5_000_000
    assert report.shown == 1000


def test_more_patches_than_pictures():
    chosen = choose(np.linspace(0, 1, 100)[::-1], 20)
    assert len(set(chosen.tolist())) == 20
    assert chosen[:15].tolist() == list(range(99, 84, -1))
    assert 0 in chosen


def test_pictures_of_a_match_are_stretched_alike():
    """The same ground looks the same in each, and a cloud in one does not blacken the others."""
    ground = RNG.integers(300, 1500, (20, 20, 4)).astype(np.float32)
    cloudy = np.where(np.arange(20)[:, None, None] < 10, 12_000, ground)
    own, other = alike([ground, cloudy], False)
    np.testing.assert_array_equal(own[10:], other[10:])
    assert other[:10].min() == 255
    assert 70 < own.mean() < 130
    bright, dark = alike([ground * 2, ground], False)
    assert bright.mean() > 1.5 * dark.mean()


def test_pictures_are_stretched_packed_and_false_coloured():
    picture = np.zeros((20, 20, 4))
    picture[..., 3] = np.linspace(0, 900, 20)
    assert not colours(picture, False)[..., 0].max() > 200
    assert colours(picture, True)[..., 0].max() == 255
    noise = [RNG.integers(0, 255, (64, 64, 3)).astype(np.uint8) for _ in range(30)]
    assert sum(map(len, pack(noise, 40_000))) <= 40_000
    assert len(webp(noise[0], 64, 70)) > len(webp(noise[0], 32, 30))
    assert pack([], 10) == []


def test_files_that_do_not_belong_together(tmp_path):
    images, patches, details = made(tmp_path, 4)
    np.savez(tmp_path / "few.npz", images=np.zeros((1, 128, 128, 4), np.uint16))
    with pytest.raises(MatcherError, match=r"few\.npz.*has no image [12], which the details name"):
        write_report(tmp_path / "r.html", tmp_path / "few.npz", patches, details)
    np.savez(tmp_path / "small.npz", images=np.zeros((3, 40, 40, 4), np.uint16))
    with pytest.raises(MatcherError, match="leaves it: were the details made from other files"):
        write_report(tmp_path / "r.html", tmp_path / "small.npz", patches, details)
    assert not (tmp_path / "r.html").exists()
    assert images.exists()


def test_answers_that_name_missing_images_are_told(tmp_path):
    files = made(tmp_path, 4)
    (tmp_path / "strange.csv").write_text("Patch ID,Result\n0,0 0 0\n1,99 0 0\n3,99 0 0\n")
    arguments = ["report", *map(str, files), "-o", str(tmp_path / "r.html"), "-q"]
    result = CliRunner().invoke(main, [*arguments, "--answers", str(tmp_path / "strange.csv")])
    assert result.exit_code == 0, result.output
    assert "answers of 2 patches name images that" in result.stderr
    assert "image 99 of patch 1" in result.stderr
    result = CliRunner().invoke(main, [*arguments, "--answers", str(tmp_path / "answers.csv")])
    assert result.stderr == ""


def test_the_page_says_what_the_score_is_of(tmp_path):
    """Missing patches and refused answers count as 0, which is said beside the score."""
    images, patches, details = made(tmp_path, 12)
    read_details(details).refuse(0.5).to_details(details)
    lines = details.read_text().splitlines(keepends=True)
    details.write_text("".join(lines[:-2]))
    write_report(tmp_path / "r.html", images, patches, details, tmp_path / "answers.csv")
    assert data_of(tmp_path / "r.html")["notes"] == [
        "of 12 patches with an answer",
        "missing: 2 ids, counted as 0 (10, 11)",
        "refused: 6 answers, counted as 0",
    ]
    write_report(tmp_path / "r.html", images, patches, details)
    assert data_of(tmp_path / "r.html")["notes"] == []


def test_a_page_replaces_no_file_of_another_form(tmp_path, monkeypatch):
    files = [str(path) for path in made(tmp_path, 4)]
    monkeypatch.setattr("matcher.report.page.open_pair", lambda *_: pytest.fail("opened"))
    before = (tmp_path / "answers.csv").read_bytes()
    result = CliRunner().invoke(main, ["report", *files, "-o", str(tmp_path / "answers.csv")])
    assert result.exit_code == 1
    assert "answers.csv: pages are written as .html, .htm" in result.stderr
    assert (tmp_path / "answers.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"details": 5}, "details: a path, a Result"),
        ({"answers": 5}, "answers: a path or Placements"),
        ({"gallery": 0}, "gallery 0: give"),
        ({"gallery": -3}, "gallery -3: give"),
        ({"gallery": 1.5}, "gallery 1.5: give"),
    ],
)
def test_a_page_of_what_is_none(tmp_path, more, said):
    images, patches, details = made(tmp_path, 4)
    with pytest.raises(MatcherError, match=said):
        write_report(tmp_path / "r.html", images, patches, **{"details": details, **more})
    assert not (tmp_path / "r.html").exists()


def test_command(tmp_path):
    files = [str(path) for path in made(tmp_path, 6)]
    out = tmp_path / "r.html"
    arguments = [
        "report",
        *files,
        "-o",
        str(out),
        "--answers",
        str(tmp_path / "answers.csv"),
        "--false-colour",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "6 of 6 matches" in result.stderr
    assert ["pictures", "near infrared, red, green; 2nd to 98th percentile"] in data_of(out)["about"]
    result = CliRunner().invoke(main, ["report", *files[:2], str(tmp_path / "no.csv"), "-o", str(out)])
    assert result.exit_code != 0
    assert "no.csv" in result.stderr


STEER = """
<script>
addEventListener("load", () => {
  const out = [], root = document.documentElement;
  const key = (name) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: name, bubbles: true}));
  const cards = () => [...document.querySelectorAll(".card")];
  const name = (card) => card.querySelector("b").textContent;
  out.push(["ready", root.dataset.ready], ["cards", cards().length], ["first", name(cards()[0])]);
  cards()[0].focus();
  key("ArrowRight");
  out.push(["right", document.activeElement.querySelector("b").textContent]);
  key("Enter");
  out.push(["open", document.getElementById("dialog").open], ["said", document.querySelector("dialog h2").textContent]);
  document.getElementById("close").click();
  out.push(["closed", !document.getElementById("dialog").open]);
  const sort = document.getElementById("sort");
  sort.value = "-sure";
  sort.dispatchEvent(new Event("change"));
  out.push(["surest", cards()[0].querySelector("b").textContent]);
  const which = document.getElementById("which");
  which.value = "wrong";
  which.dispatchEvent(new Event("change"));
  out.push(["wrong", cards().length]);
  out.push(["overflow", root.scrollWidth > root.clientWidth]);
  const count = (what) => document.querySelectorAll(what).length;
  out.push(["svgs", count("#plots svg")], ["maps", count(".map")]);
  const some = [...document.querySelectorAll(".card img")].slice(0, 3);
  Promise.all(some.map((i) => i.decode().then(() => i.naturalWidth))).then((sizes) => {
    out.push(["drawn", sizes.every((s) => s > 8)]);
    root.dataset.out = JSON.stringify(Object.fromEntries(out));
  });
});
addEventListener("error", (event) => { document.documentElement.dataset.failed = event.message; });
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("window", ["1200,900", "500,900"])
def test_in_a_real_browser(tmp_path, window):
    write_report(tmp_path / "r.html", *made(tmp_path, 90), tmp_path / "answers.csv")
    out = steered(tmp_path, window)
    assert out == {
        "ready": "90", "cards": 60, "first": "patch 0", "right": "patch 1", "open": True, "said": "Patch 1",
        "closed": True, "surest": "patch 89", "wrong": 45, "overflow": False, "svgs": 3, "maps": 3, "drawn": True,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_refused_matches_in_a_real_browser(tmp_path):
    images, patches, details = made(tmp_path, 20)
    read_details(details).refuse(0.5).to_details(details)
    write_report(tmp_path / "r.html", images, patches, details, tmp_path / "answers.csv")
    out = steered(tmp_path, "500,900")
    assert (out["cards"], out["wrong"], out["open"], out["drawn"], out["overflow"]) == (
        20,
        5,
        True,
        True,
        False,
    )


def steered(tmp_path, window):
    """What the script saw in the page."""
    page = tmp_path / "steered.html"
    page.write_text((tmp_path / "r.html").read_text().replace("</body>", STEER + "</body>"))
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--window-size={window}",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=60000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=400, check=True).stdout
    assert "data-failed" not in dom
    found = re.search(r'data-out="([^"]*)"', dom)
    assert found, dom[:500]
    return json.loads(found.group(1).replace("&quot;", '"'))
