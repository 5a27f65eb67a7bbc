"""``matcher locate`` through its runner: what is printed and written, and that other tools read it."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import main
from matcher.cli.locate import split
from matcher.errors import SettingsError
from matcher.matching import estimate
from tests.formats.test_rasters import write
from tests.locating.test_locate import ground, other_date

rasterio = pytest.importorskip("rasterio")
from rasterio.transform import from_origin  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("locate")
    land = ground(300, 400)
    write(path / "scene.tif", land, nodata=0, transform=from_origin(600000, 5700000, 10, 10))
    (path / "chips").mkdir()
    cut = other_date(land)[101:149, 155:203]
    write(path / "chips" / "a.tif", cut, transform=from_origin(0, 0, 10, 10), nodata=0)
    write(path / "chips" / "b.tif", ground(60, 60, 88)[:48, :48], transform=from_origin(0, 0, 10, 10))
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["locate", *map(str, arguments)])


def test_table_and_json(folder):
    result = run(folder / "chips", folder / "scene.tif", "-q", "--min-confidence", 0.9)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["chip", "scene", "row", "col"]
    assert lines[1].split()[:2] == ["a.tif", "scene.tif"]
    assert "in none of these scenes" in lines[2]
    assert lines[-1] == "1 of 2 chips found, 0 of them doubtful (below 0.9); 1 in none of these scenes"
    result = run(folder / "chips" / "a.tif", "in", folder / "scene.tif", "-q", "--json", "--candidates", 2)
    places = json.loads(result.stdout)
    assert [place["rank"] for place in places] == [1, 2]
    assert places[0]["row"] == pytest.approx(101, abs=0.4)


def test_nothing_found_has_an_exit_code_of_its_own(folder):
    result = run(folder / "chips" / "b.tif", folder / "scene.tif", "-q")
    assert result.exit_code == 5, result.output
    assert result.stdout.splitlines()[-1].startswith("0 of 1 chips found")
    assert "not one chip was found" in result.stderr


def test_the_prior_moves_how_sure_a_chip_is(folder):
    sure = []
    for prior in ("0.01", "0.5", "0.99"):
        options = ("-q", "--json", "--min-confidence", 0, "--prior", prior)
        result = run(folder / "chips" / "b.tif", "in", folder / "scene.tif", *options)
        sure.append(json.loads(result.stdout)[0]["confidence"])
    assert sure == sorted(sure)
    assert sure[0] < sure[2]
    assert run(folder / "chips" / "b.tif", folder / "scene.tif", "--prior", 1).exit_code == 2


def test_json_to_a_file_beside_the_table(folder, tmp_path):
    result = run("--json", tmp_path / "p.json", folder / "chips" / "a.tif", folder / "scene.tif", "-q")
    assert result.exit_code == 0, result.output
    assert "1 of 1 chips found" in result.stdout
    assert json.loads((tmp_path / "p.json").read_text())[0]["rank"] == 1


def test_files_that_other_tools_read(folder, tmp_path):
    outputs = [tmp_path / name for name in ("p.csv", "p.geojson")]
    arguments = [folder / "chips", folder / "scene.tif", "-q", "--min-confidence", 0.9]
    result = run(
        *arguments, *(v for o in outputs for v in ("-o", o)), "--write-georeferenced", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    with open(outputs[0]) as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "0"]
    assert rows[0]["crs"] == "EPSG:32631"
    assert rows[1]["lon"] == ""
    features = json.loads(outputs[1].read_text())["features"]
    ring = features[0]["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    assert len(ring) == 5
    assert features[1]["geometry"] is None
    middle = np.mean(ring[:-1], axis=0)
    assert middle == pytest.approx((float(rows[0]["lon"]), float(rows[0]["lat"])), abs=1e-5)
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["a.tif"]
    with (
        rasterio.open(tmp_path / "out" / "a.tif") as dataset,
        rasterio.open(folder / "chips" / "a.tif") as chip,
    ):
        np.testing.assert_array_equal(dataset.read(), chip.read())
        assert dataset.crs.to_string() == "EPSG:32631"
        assert dataset.transform.c == pytest.approx(600000 + 1550, abs=5)
        assert dataset.transform.f == pytest.approx(5700000 - 1010, abs=5)
        assert dataset.nodata == 0


def test_rio_and_gdal_read_what_is_written(folder, tmp_path):
    """`rio info`, and GDAL's vector reader through pyogrio or fiona where one is installed."""
    from rasterio.rio.main import main_group

    run(folder / "chips" / "a.tif", folder / "scene.tif", "-q", "--write-georeferenced", tmp_path)
    result = CliRunner().invoke(main_group, ["info", str(tmp_path / "a.tif")])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["crs"] == "EPSG:32631"


def test_geoparquet(folder, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "p.parquet"
    result = run(folder / "chips", folder / "scene.tif", "-q", "-o", out, "--min-confidence", 0.9)
    assert result.exit_code == 0, result.output
    table = parquet.read_table(out)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["primary_column"] == "geometry"
    shape = table["geometry"][0].as_py()
    assert (shape[:9], len(shape)) == (b"\x01\x03\x00\x00\x00\x01\x00\x00\x00", 13 + 5 * 16)
    west, south, east, north = geo["columns"]["geometry"]["bbox"]
    assert west < table["lon"][0].as_py() < east
    assert south < table["lat"][0].as_py() < north
    assert table["geometry"][1].as_py() is None


def test_dry_run_writes_nothing(folder, tmp_path):
    out = tmp_path / "p.csv"
    result = run(folder / "chips", folder / "scene.tif", "--dry-run", "-o", out)
    assert result.exit_code == 0, result.output
    assert "2 chips, 1 scene:" in result.stdout
    assert "300 x 400 px" in result.stdout
    assert "2 pairs of chip and piece, 0.1 million pixels" in result.stdout
    assert "GiB" in result.stdout
    assert f"would write {out}" in result.stdout
    assert not out.exists()


def test_dry_run_tells_times_as_they_were_measured(tmp_path, monkeypatch):
    """Processor seconds of one chip and of a dozen of 64 px, in 0.4 and in 16 million pixels, within a third."""
    monkeypatch.setattr(estimate, "slowness", lambda: 1.0)
    chips = [tmp_path / f"{k}.tif" for k in range(12)]
    for path in chips:
        write(path, ground(64, 64)[..., :3])
    for side, few, many in ((600, 1.1, 1.54), (4000, 2.9, 3.0)):
        scene = tmp_path / f"{side}.tif"
        write(scene, np.zeros((side, side, 3), np.uint16))
        for some, taken in ((chips[:1], few), (chips, many)):
            result = run(*some, "in", scene, "--dry-run", "--threads", "1")
            assert result.exit_code == 0, result.output
            told = float(re.search(r"and ([\d.]+) s on 1 core$", result.stdout, re.M)[1])
            assert 2 / 3 * taken < told < 4 / 3 * taken, (side, len(some))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scale", "big"], "--scale big"),
        (["--near", "x"], "--near x"),
        (["--rotations", "a"], "--rotations a"),
        (["-o", "places.xls"], "places.xls: places are written as"),
        (["--bands", "red,green"], "the bands red, green were asked for"),
    ],
)
def test_errors_are_one_line_and_no_output(folder, arguments, said):
    result = run(folder / "chips", folder / "scene.tif", *arguments)
    assert result.exit_code != 0
    assert said in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def bad_files(folder, path):
    """The chips and scenes of `folder`, and one of each kind that cannot be used."""
    for name in ("chips", "scenes"):
        (path / name).mkdir()
    for chip in (folder / "chips").iterdir():
        shutil.copy(chip, path / "chips")
    shutil.copy(folder / "scene.tif", path / "scenes" / "m.tif")
    data = (folder / "scene.tif").read_bytes()
    (path / "scenes" / "short.tif").write_bytes(data[: len(data) // 2])
    write(path / "scenes" / "nowhere.tif", ground(60, 60), crs=None)
    write(
        path / "scenes" / "empty.tif", np.zeros((60, 60, 4), np.uint16), transform=from_origin(0, 0, 10, 10)
    )
    (path / "chips" / "c.tif").write_text("no raster")
    write(path / "chips" / "small.tif", ground(8, 8), transform=from_origin(0, 0, 10, 10))
    return path / "chips", path / "scenes"


def test_bad_chips_and_scenes_are_skipped(folder, tmp_path):
    chips, scenes = bad_files(folder, tmp_path)
    result = run(chips, scenes, "--skip-bad", "-q", "--min-confidence", 0.9)
    assert result.exit_code == 3, result.output
    assert result.stdout.splitlines()[-1].startswith("1 of 2 chips found")
    said = result.stderr.splitlines()
    assert len(said) == 5
    assert all(line.startswith("matcher: skipped: ") for line in said)
    for name in (
        "short.tif",
        "nowhere.tif: has no CRS",
        "empty.tif: holds no valid",
        "c.tif",
        "small.tif: is 8 x 8",
    ):
        assert sum(name in line for line in said) == 1, name
    clean = run(folder / "chips", folder / "scene.tif", "-q", "--min-confidence", 0.9)
    assert clean.exit_code == 0
    assert clean.stdout.replace("scene.tif", "m.tif    ").split() == result.stdout.split()


def test_bad_chips_and_scenes_are_one_error_otherwise(folder, tmp_path):
    chips, scenes = bad_files(folder, tmp_path)
    result = run(chips, scenes, "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.strip().splitlines()) == 1
    result = run(chips / "small.tif", scenes / "m.tif", "--skip-bad")
    assert result.exit_code == 4
    assert "not one raster of it can be used" in result.stderr


def test_skipped_files_are_warned_of_in_python(folder, tmp_path, caplog):
    chips, scenes = bad_files(folder, tmp_path)
    places = matcher.locate(chips, scenes, skip_bad=True)
    assert [place.chip[-5:] for place in places] == ["a.tif", "b.tif"]
    assert sum("skipped: " in record.getMessage() for record in caplog.records) == 5


def test_bands_in_order_overrule_the_files(tmp_path):
    """A scene whose colours are told wrong, and a chip whose bands lie in another order."""
    land = ground(120, 140)
    place = from_origin(600000, 5700000, 10, 10)
    scene = write(tmp_path / "s.tif", land[..., [3, 0, 1]], photometric="RGB", transform=place)
    chip = write(tmp_path / "c.tif", other_date(land)[30:78, 40:88, :3], photometric="RGB", transform=place)
    result = run(chip, scene, "-q", "--json", "--bands", "nir,red,green", "--chip-bands", "red,green,blue")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    assert (found["row"], found["col"]) == pytest.approx((30, 40), abs=0.5)
    assert "calls its bands red, green, blue; taken as nir, red, green" in result.stderr
    dry = run(chip, scene, "--dry-run", "--bands", "nir,red,green", "--chip-bands", "red,green,blue")
    assert "48 x 48 px  red,green  " in dry.stdout
    assert "px  nir,red,green" in dry.stdout


def match(*arguments):
    return CliRunner().invoke(main, ["match", *map(str, arguments)])


def rasters(path):
    """Two images and four patches: two of them in the images, one turned to noise, one that is no raster."""
    for name in ("images", "patches"):
        (path / name).mkdir()
    lands = [ground(150, 170, seed=k) for k in range(2)]
    for k, land in enumerate(lands):
        place = from_origin(600000 + 5000 * k, 5700000, 10, 10)
        write(path / "images" / f"land-{k}.tif", land, transform=place, nodata=0)
    write(path / "patches" / "p.tif", other_date(lands[1])[40:88, 60:108], crs=None, transform=None)
    write(path / "patches" / "q.tif", other_date(lands[0])[10:58, 20:68], crs=None, transform=None)
    write(path / "patches" / "r.tif", ground(60, 60, 88)[:48, :48], crs=None, transform=None)
    return path / "images", path / "patches"


@pytest.mark.parametrize("run_dir", [False, True])
def test_places_of_a_match_of_rasters(tmp_path, run_dir):
    images, patches = rasters(tmp_path)
    (patches / "z.tif").write_text("no raster")
    out, places, details = (tmp_path / name for name in ("s.csv", "p.csv", "d.csv"))
    more = ["--run-dir", tmp_path / "run", "--shard-size", 2] if run_dir else []
    common = [images, f"{patches}/*.tif", "-o", out, "--places", places, "--details", details]
    result = match(*common, "--skip-bad", "--min-confidence", 0.9, *more)
    assert result.exit_code == 3, result.output
    assert f"images have the numbers of their order: 0 {images / 'land-0.tif'} to 1 " in result.stderr
    assert [line.split()[:1] for line in out.read_text().splitlines()[1:3]] == [["0,1"], ["1,0"]]
    assert [line.split(",")[0] for line in out.read_text().splitlines()[1:]] == ["0", "1", "2", "3"]
    with open(places) as file:
        rows = list(csv.DictReader(file))
    assert [row["chip"][-5:] for row in rows[:3]] == ["p.tif", "q.tif", "r.tif"]
    assert [row["scene"] for row in rows] == [str(images / "land-1.tif"), str(images / "land-0.tif"), "", ""]
    for row, (y, x, west) in zip(rows, ((40, 60, 605000), (10, 20, 600000)), strict=False):
        assert (float(row["row"]), float(row["col"])) == pytest.approx((y, x), abs=0.4)
        assert float(row["map_x"]) == pytest.approx(west + 10 * (x + 24), abs=4)
        assert float(row["map_y"]) == pytest.approx(5700000 - 10 * (y + 24), abs=4)
        assert row["crs"] == "EPSG:32631"
        assert 4 < float(row["lon"]) < 5
        assert float(row["confidence"]) > 0.9
    assert [row["rank"] for row in rows] == ["1", "1", "0", "0"]
    assert [row["reason"] for row in rows][3] == "placeholder"
    assert [line.split(",")[1] for line in details.read_text().splitlines()[1:]] == ["1", "0", "none", "none"]


def test_a_run_directory_knows_every_file_of_a_glob(tmp_path):
    images, patches = rasters(tmp_path)
    common = [images / "*.tif", patches, "-q", "--run-dir", tmp_path / "run"]
    assert match(*common).exit_code == 0
    assert match(*common).exit_code == 0
    write(images / "land-1.tif", ground(150, 170, seed=9), transform=from_origin(605000, 5700000, 10, 10))
    again = match(*common)
    assert again.exit_code == 5
    assert "images.sha256" in again.stderr


def test_places_of_a_match_that_are_nowhere_on_earth(tmp_path):
    land = ground(150, 170)
    np.savez(tmp_path / "i.npz", images=land[None], ids=[7])
    np.savez(tmp_path / "p.npz", patches=other_date(land)[None, 30:78, 40:88], ids=[9])
    common = (tmp_path / "i.npz", tmp_path / "p.npz", "-o", tmp_path / "s.csv", "-q")
    result = match(*common, "--places", tmp_path / "p.geojson")
    assert result.exit_code == 0, result.output
    (feature,) = json.loads((tmp_path / "p.geojson").read_text())["features"]
    assert feature["geometry"] is None
    row = feature["properties"]
    assert (row["chip"], row["scene"], row["crs"]) == ("9", "7", None)
    assert (row["row"], row["col"]) == pytest.approx((30, 40), abs=0.4)
    refused = match(*common, "--places", tmp_path / "p.xls")
    assert refused.exit_code == 1
    assert "places are written as" in refused.stderr


def test_chips_and_scenes_are_told_apart():
    assert split(["a", "b", "c"]) == (["a", "b"], ["c"])
    assert split(["a", "in", "b", "c"]) == (["a"], ["b", "c"])
    for files in (["a"], ["in", "b"], ["a", "in"], ["a", "in", "b", "in", "c"]):
        with pytest.raises(SettingsError):
            split(files)


def test_a_geopackage_with_a_style_beside_it(folder, tmp_path):
    pyogrio = pytest.importorskip("pyogrio")
    arguments = [folder / "chips", folder / "scene.tif", "-q", "--min-confidence", 0.9, "--evidence", "phase"]
    result = run(*arguments, "-o", tmp_path / "p.gpkg", "-o", tmp_path / "p.csv")
    assert result.exit_code == 0, result.output
    info = pyogrio.read_info(tmp_path / "p.gpkg")
    assert (info["layer_name"], info["crs"], info["geometry_type"]) == ("places", "EPSG:4326", "MultiPolygon")
    _, _, shapes, fields = pyogrio.raw.read(tmp_path / "p.gpkg")
    held = dict(zip(info["fields"], fields, strict=True))
    with open(tmp_path / "p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert held["chip"].tolist() == [row["chip"] for row in rows]
    assert held["confidence"].tolist() == [float(row["confidence"]) for row in rows]
    assert [shape is None for shape in shapes] == [row["scene"] == "" for row in rows] == [False, True]
    style = (tmp_path / "p.qml").read_text()
    assert "RuleRenderer" in style
    (tmp_path / "p.qml").write_text("mine")
    assert run(*arguments, "-o", tmp_path / "p.gpkg").exit_code == 0
    assert (tmp_path / "p.qml").read_text() == "mine"
