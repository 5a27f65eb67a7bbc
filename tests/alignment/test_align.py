"""Two scenes on one grid, end to end: near and far, turned, other pixels, no data, files out and in again."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import ndimage

import matcher
from matcher.alignment import series
from matcher.alignment.frame import Side, frame
from matcher.alignment.outputs import Onto, write_field, write_moved
from matcher.alignment.run import Aligning
from matcher.alignment.table import records, summary
from matcher.alignment.ties import tie_points
from matcher.cli import main
from matcher.errors import MatcherError
from matcher.formats.example import encode_example
from matcher.formats.opening import open_rasters
from matcher.formats.tfrecord import write_records
from matcher.formats.tiefiles import read_ties, write_ties
from matcher.geo.resample import shrink
from matcher.settings import Settings
from tests.locating.test_locate import ground, other_date

rasterio = pytest.importorskip("rasterio")
from rasterio.transform import from_origin  # noqa: E402

WEST, NORTH = 600000.0, 5700000.0


def write(path, array, west=WEST, north=NORTH, pixel=10.0, crs="EPSG:32631", **more):
    profile = {"nodata": 0} | more
    with rasterio.open(
        path, "w", driver="GTiff", height=array.shape[0], width=array.shape[1], count=array.shape[2],
        dtype=array.dtype, crs=crs, transform=from_origin(west, north, pixel, pixel), **profile,
    ) as file:  # fmt: skip
        file.write(np.moveaxis(array, -1, 0))
        for k, name in enumerate(("red", "green", "blue", "nir")[: array.shape[2]], 1):
            file.set_band_description(k, name)
        file.update_tags(MADE="by hand")


@pytest.fixture(scope="module")
def land():
    return ground(300, 330, grain=1.6)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory, land):
    """A reference, and another date of it whose file says that it lies 23 m east and 42 m south of where it does."""
    folder = tmp_path_factory.mktemp("shifted")
    write(folder / "reference.tif", land)
    write(folder / "moving.tif", other_date(land), WEST + 23, NORTH - 42)
    return folder


@pytest.fixture(scope="module")
def aligned(shifted):
    return matcher.align(shifted / "moving.tif", shifted / "reference.tif", count=30)


class TestAlign:
    def test_a_shift_of_parts_of_a_pixel(self, aligned):
        assert aligned.transform.kind == "shift"
        np.testing.assert_allclose(aligned.transform.matrix[0], (-4.2, -2.3), atol=0.02)
        assert aligned.points.used.sum() >= 25
        assert aligned.accuracy()["rmse"].value < 0.1
        assert aligned.accuracy(after=False)["rmse"].value == pytest.approx(np.hypot(4.2, 2.3), abs=0.05)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "given",
        [
            {"min_confidence": 1.0},
            {"settings": matcher.Settings(min_confidence=1.0)},
            {"settings": matcher.Settings(prior=1e-12)},
        ],
    )
    def test_points_less_sure_than_asked_for_are_not_used(self, tmp_path, land, given):
        """Noise leaves every chip in some doubt."""
        noisy = other_date(land) + np.random.default_rng(3).normal(0, 600, land.shape)
        write(tmp_path / "moving.tif", noisy.clip(1, 4095).astype(np.uint16))
        write(tmp_path / "reference.tif", land)
        asked = {"count": 30, "side": 32, "transform": "shift"}
        files = tmp_path / "moving.tif", tmp_path / "reference.tif"
        assert matcher.align(*files, **asked).points.used.sum() > 20
        with pytest.raises(MatcherError, match="needs 3 tie points that agree, and there are 0"):
            matcher.align(*files, **asked, **given)

    def test_records_of_a_shape_and_type(self, tmp_path, land):
        """Neither square nor of the challenge's type: read as the options say."""
        for name, array in (("moving", np.roll(other_date(land), (2, 3), (0, 1))), ("reference", land)):
            record = {"image_raw": array.astype(">u2").tobytes(), "image_id": 0}
            write_records(tmp_path / f"{name}.tfrecords", [encode_example(record)])
        made = matcher.align(
            tmp_path / "moving.tfrecords",
            tmp_path / "reference.tfrecords",
            image_shape=land.shape,
            dtype=">u2",
            count=30,
        )
        np.testing.assert_allclose(made.transform.matrix[0], (-2, -3), atol=0.05)

    @pytest.mark.slow
    def test_far_off_and_turned(self, tmp_path, land):
        """250 px from where it says, by 2 degrees: found everywhere in the reference, then tie points where it lies."""
        turned = ndimage.rotate(other_date(land).astype(np.float64), 2, order=3, reshape=False)
        empty = ndimage.rotate(np.ones(land.shape[:2]), 2, order=1, reshape=False) < 0.999
        turned[empty] = 0
        write(tmp_path / "reference.tif", land)
        write(tmp_path / "moving.tif", turned.clip(0, 4095).astype(np.uint16), WEST + 2500, NORTH)
        made = matcher.align(tmp_path / "moving.tif", tmp_path / "reference.tif", count=30)
        middle = np.array([(150.0, 165.0), (150.0, 265.0)])
        angle = np.radians(2)
        there = np.array([(150.0, 165.0), (150 + 100 * np.sin(angle), 165 + 100 * np.cos(angle))])
        np.testing.assert_allclose(made.transform.shifts(middle), there - middle - (0, 250), atol=0.15)

    def test_other_pixel_sizes(self, tmp_path, land):
        """A reference of pixels twice as large: shifts are in pixels of the moving scene all the same."""
        write(tmp_path / "reference.tif", shrink(land, 2.0), pixel=20.0)
        write(tmp_path / "moving.tif", other_date(land), WEST + 30, NORTH - 10)
        made = matcher.align(tmp_path / "moving.tif", tmp_path / "reference.tif", count=16, side=48)
        np.testing.assert_allclose(made.transform.shifts(np.array([(150.0, 165.0)]))[0], (-1, -3), atol=0.1)

    @pytest.mark.slow
    def test_another_crs(self, tmp_path, land):
        """In the next UTM zone, resampled: what is found is what the map says, nothing."""
        from rasterio.warp import Resampling, reproject

        write(tmp_path / "moving.tif", land, 800000.0)
        with rasterio.open(tmp_path / "moving.tif") as file:
            values, transform = file.read(), file.transform
        corner = rasterio.warp.transform("EPSG:32631", "EPSG:32632", [800000], [NORTH])
        to = from_origin(corner[0][0] - 300, corner[1][0] + 300, 10, 10)
        out = np.zeros((4, 400, 420), np.uint16)
        reproject(
            values, out, src_transform=transform, src_crs="EPSG:32631", dst_transform=to, dst_crs="EPSG:32632",
            resampling=Resampling.cubic, src_nodata=0, dst_nodata=0,
        )  # fmt: skip
        write(tmp_path / "reference.tif", np.moveaxis(out, 0, -1), to.c, to.f, crs="EPSG:32632")
        made = matcher.align(tmp_path / "moving.tif", tmp_path / "reference.tif", count=16)
        assert np.abs(made.transform.shifts(np.array([(150.0, 165.0)]))).max() < 0.05

    def test_no_data_and_flat_ground_are_left_out_and_said_so(self, tmp_path, land):
        other = other_date(land)
        other[:150, :110] = 0
        other[150:, :130] = 700
        write(tmp_path / "reference.tif", land)
        write(tmp_path / "moving.tif", other)
        made = matcher.align(tmp_path / "moving.tif", tmp_path / "reference.tif", count=60)
        words = dict(zip(map(tuple, made.points.places.tolist()), made.points.reason, strict=True))
        assert {word for (row, col), word in words.items() if row < 100 and col < 70} == {"nodata"}
        assert {word for (row, col), word in words.items() if row > 200 and col < 90} <= {"flat", "weak"}
        assert np.abs(made.transform.shifts(made.points.places)).max() < 0.05

    @pytest.mark.slow
    def test_scenes_of_other_ground_are_refused(self, tmp_path, land):
        write(tmp_path / "reference.tif", ground(300, 300, seed=9))
        write(tmp_path / "moving.tif", land)
        with pytest.raises(MatcherError, match=r"moving\.tif: does not lie in .*reference\.tif"):
            matcher.align(tmp_path / "moving.tif", tmp_path / "reference.tif", count=16)

    def test_one_scene_with_a_place_and_one_without(self, tmp_path, land):
        write(tmp_path / "reference.tif", land)
        with rasterio.open(
            tmp_path / "moving.tif", "w", driver="GTiff", height=300, width=330, count=4, dtype="uint16"
        ) as file:
            file.write(np.moveaxis(land, -1, 0))
        with pytest.raises(MatcherError, match="give both one, or none"):
            matcher.align(
                tmp_path / "moving.tif", tmp_path / "reference.tif", bands=("red", "green", "blue", "nir")
            )

    @pytest.mark.parametrize("threads", [1, 2])
    def test_the_same_for_any_number_of_threads(self, shifted, aligned, threads):
        again = matcher.align(shifted / "moving.tif", shifted / "reference.tif", count=30, threads=threads)
        assert summary(again) == summary(aligned)


class TestOutputs:
    def test_a_shift_edits_the_transform_alone(self, tmp_path, shifted, aligned):
        raster = open_rasters(shifted / "moving.tif").rasters[0]
        assert write_moved(tmp_path / "moved.tif", aligned, raster, Onto()) == "edited"
        with rasterio.open(tmp_path / "moved.tif") as out, rasterio.open(shifted / "moving.tif") as own:
            np.testing.assert_array_equal(out.read(), own.read())
            assert (out.nodata, out.tags()["MADE"], out.descriptions) == (0, "by hand", own.descriptions)
            assert (out.transform.c, out.transform.f) == pytest.approx((WEST, NORTH), abs=0.3)

    def test_onto_the_references_grid(self, tmp_path, shifted, aligned, land):
        raster = open_rasters(shifted / "moving.tif").rasters[0]
        onto = Onto(open_rasters(shifted / "reference.tif").rasters[0].georef)
        assert write_moved(tmp_path / "moved.tif", aligned, raster, onto) == "warped"
        with (
            rasterio.open(tmp_path / "moved.tif") as out,
            rasterio.open(shifted / "reference.tif") as reference,
        ):
            assert (out.transform, out.shape) == (reference.transform, reference.shape)
            assert (out.nodata, out.tags()["MADE"], out.descriptions) == (
                0,
                "by hand",
                reference.descriptions,
            )
            warped = np.moveaxis(out.read(), 0, -1)
        inner = (slice(10, -10), slice(10, -10))
        off = np.abs(warped[inner].astype(float) - other_date(land)[inner])
        assert np.median(off) < 12  # of 60 of noise: 2 hundredths of a pixel off

    @pytest.mark.slow
    def test_a_bent_field_is_warped_back(self, tmp_path, land):
        """Ground drawn by 2 px in a smooth wave lies on the reference again."""
        rows, columns = np.mgrid[:300, :330].astype(np.float64)
        bent = 2 * np.sin(2 * np.pi * columns / 330) * np.cos(np.pi * rows / 300)
        moving = np.stack(
            [
                ndimage.map_coordinates(land[..., b].astype(float), (rows + bent, columns), order=3)
                for b in range(4)
            ],
            -1,
        )
        write(tmp_path / "reference.tif", land)
        write(tmp_path / "moving.tif", moving.clip(1, 4095).astype(np.uint16))
        made = matcher.align(tmp_path / "moving.tif", tmp_path / "reference.tif", count=80, side=48)
        assert made.transform.kind in ("polynomial", "field")
        y, x = made.points.places.T
        wave = 2 * np.sin(2 * np.pi * (x - 0.5) / 330) * np.cos(np.pi * (y - 0.5) / 300)
        off = np.hypot(made.points.down - wave, made.points.right)[made.points.used]
        assert np.sqrt((off**2).mean()) < 0.03  # what the middle of a chip shifts by, not some mean over it
        raster = open_rasters(tmp_path / "moving.tif").rasters[0]
        write_moved(tmp_path / "moved.tif", made, raster, Onto())
        write_field(tmp_path / "field.tif", made)
        with rasterio.open(tmp_path / "moved.tif") as out:
            warped = np.moveaxis(out.read(), 0, -1).astype(float)
        with rasterio.open(tmp_path / "field.tif") as out:
            field = out.read()
        inner = (slice(30, -30), slice(30, -30))
        before = np.abs(moving[inner] - land[inner]).mean()
        assert np.abs(warped[inner] - land[inner]).mean() < 0.25 * before
        assert np.sqrt(((field[1] + 10 * bent)[inner] ** 2).mean()) < 2.5  # m; bands are x and y, y goes up
        assert np.sqrt((field[0][inner] ** 2).mean()) < 1.5

    def test_a_window_bends_with_the_ground(self, tmp_path, land):
        """As the reference read at each pixel's own place, on a grid of its own that begins 3 px further east."""
        write(tmp_path / "reference.tif", land, WEST + 30)
        write(tmp_path / "moving.tif", land)

        def bent(at):
            return np.stack([2 * np.sin(at[:, 1] / 40), 1.5 + (at[:, 0] / 60) ** 2], -1)

        moving, reference = (
            Side(source, 0, "dn", source.rasters[0].georef)
            for source in (open_rasters(tmp_path / f"{name}.tif") for name in ("moving", "reference"))
        )
        window, start = replace(frame(moving, reference), bent=bent).window(100, 120, 32, 8)
        assert start.tolist() == [-8, -8]
        middles = np.stack(np.mgrid[92:140, 112:160], -1).reshape(-1, 2) + 0.5
        there = (middles + bent(middles) - 0.5 - (0, 3)).T
        expected = ndimage.map_coordinates(land[..., 0].astype(float), there, order=3).reshape(48, 48)
        np.testing.assert_allclose(window[..., 0], expected, atol=5)  # DN; a hundredth of a pixel makes more

    def test_over_the_input_nothing_is_written(self, shifted):
        before = (shifted / "moving.tif").read_bytes()
        arguments = ["align", str(shifted / "moving.tif"), str(shifted / "reference.tif"), "--count", "9"]
        done = CliRunner().invoke(main, [*arguments, "--moved", str(shifted / "moving.tif")])
        assert done.exit_code == 1
        assert "input" in done.output
        assert (shifted / "moving.tif").read_bytes() == before


class TestTieFiles:
    @pytest.mark.parametrize("suffix", ["csv", "geojson", "points"])
    def test_points_come_back(self, tmp_path, aligned, suffix):
        path = tmp_path / f"ties.{suffix}"
        write_ties(path, records(aligned), aligned.georef)
        again = tie_points(read_ties(path, aligned.georef))
        own = aligned.points.take(np.isfinite(aligned.points.down))
        again = again.take(np.isfinite(again.down))
        np.testing.assert_allclose(again.places, own.places, atol=1e-3)
        np.testing.assert_allclose(again.shifts, own.shifts, atol=1e-3)
        np.testing.assert_array_equal(again.used, own.used)

    def test_a_point_switched_off_by_hand_is_left_out(self, tmp_path, shifted, aligned):
        write_ties(tmp_path / "ties.csv", records(aligned), aligned.georef)
        lines = (tmp_path / "ties.csv").read_text().splitlines()
        lines[1] = lines[1].replace(",True,", ",False,")
        (tmp_path / "ties.csv").write_text("\n".join(lines))
        points = tie_points(read_ties(tmp_path / "ties.csv", None))
        assert points.reason[0] == "left out"
        made = matcher.align(shifted / "moving.tif", shifted / "reference.tif", points=points)
        assert made.points.used.sum() == aligned.points.used.sum() - 1

    def test_geopackage_opens_where_the_scene_lies(self, tmp_path, aligned):
        pyogrio = pytest.importorskip("pyogrio")
        write_ties(tmp_path / "ties.gpkg", records(aligned), aligned.georef)
        info = pyogrio.read_info(tmp_path / "ties.gpkg")
        assert (info["features"], info["crs"]) == (len(aligned.points), "EPSG:32631")

    def test_gcps_are_those_of_gdal(self, tmp_path, aligned):
        write_ties(tmp_path / "ties.gcps", records(aligned), aligned.georef)
        words = (tmp_path / "ties.gcps").read_text().split()
        assert words.count("-gcp") == aligned.points.used.sum()
        col, row, x, y = map(float, words[1:5])
        assert (x, y) == pytest.approx((WEST + 10 * col, NORTH - 10 * row), abs=1)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("row,col,down\n1,2,3\n", "line 1: has no column 'right'"),
            ("row,col,down,right\n1,2,x,4\n", "line 2: down is 'x'"),
            ("row,col,down,right\n1,2,nan,4\n", "line 2: down is 'nan'"),
            ("row,col,down,right\n", "holds no tie point"),
            ("", "is empty"),
        ],
    )
    def test_bad_files_are_refused_by_line(self, tmp_path, text, says):
        (tmp_path / "ties.csv").write_text(text)
        with pytest.raises(MatcherError, match=says):
            read_ties(tmp_path / "ties.csv", None)


class TestCommand:
    @pytest.mark.slow
    def test_everything_of_one_scene(self, tmp_path, shifted):
        names = [f"ties.{end}" for end in ("csv", "geojson", "points", "gcps", "json", "html")]
        arguments = [
            "align",
            str(shifted / "moving.tif"),
            str(shifted / "reference.tif"),
            "--count",
            "16",
            "-q",
        ]
        for name in names:
            arguments += ["-o", str(tmp_path / name)]
        arguments += ["--moved", str(tmp_path / "moved.tif"), "--field", str(tmp_path / "field.tif")]
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        assert "moving.tif  shift  " in done.output
        assert {path.name for path in tmp_path.iterdir()} == {*names, "moved.tif", "field.tif"}
        figures = json.loads((tmp_path / "ties.json").read_text())
        assert figures["transform"] == "shift"
        page = (tmp_path / "ties.html").read_text()
        assert "CE90" in page
        assert "http" not in page.replace("http://www.w3.org", "")

    @pytest.mark.slow
    def test_many_dates_and_going_on(self, tmp_path, shifted, land):
        write(tmp_path / "second.tif", other_date(land, 5), WEST - 15, NORTH)
        flat = np.full_like(land, 800)
        flat[:2, :2] = 900
        write(tmp_path / "clouded.tif", flat)
        scenes = [str(shifted / "moving.tif"), str(tmp_path / "second.tif"), str(tmp_path / "clouded.tif")]
        arguments = ["align", *scenes, "in", str(shifted / "reference.tif"), "--count", "16", "-q"]
        arguments += ["--folder", str(tmp_path / "out")]
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 3, done.output
        assert "clouded.tif: not aligned" in done.stdout
        # Every probe, and not some of them, has nothing to be found by.
        assert re.search(
            r"of (\d+) probes 0 were found there.*; near the place stated: \1 flat$", done.stdout, re.M
        )
        with rasterio.open(tmp_path / "out" / "second.tif") as out:
            assert (out.transform.c, out.transform.f) == pytest.approx((WEST, NORTH), abs=0.5)
        (tmp_path / "out" / "second.json").unlink()
        first = (tmp_path / "out" / "moving.json").stat().st_mtime_ns
        again = CliRunner().invoke(main, arguments)
        assert again.stdout == done.stdout
        assert (tmp_path / "out" / "moving.json").stat().st_mtime_ns == first
        other = CliRunner().invoke(main, [*arguments, "--transform", "affine"])
        assert other.exit_code == 1
        assert "run with other asked" in other.output

    @pytest.mark.slow
    def test_onto_each_other(self, tmp_path, shifted, land):
        write(tmp_path / "second.tif", other_date(land, 5), WEST - 15, NORTH)
        scenes = [str(shifted / "moving.tif"), str(tmp_path / "second.tif")]
        arguments = [
            "align",
            *scenes,
            "in",
            str(shifted / "reference.tif"),
            "--count",
            "16",
            "-q",
            "--mutual",
        ]
        done = CliRunner().invoke(main, [*arguments, "--folder", str(tmp_path / "out")])
        assert done.exit_code == 0, done.output
        told = json.loads((tmp_path / "out" / "moving.json").read_text())
        assert told["shift_map"] == pytest.approx((-23, 42), abs=0.3)
        pairs = json.loads((tmp_path / "out" / "pairs.json").read_text())["pairs"]
        assert len(pairs) == 3
        for name in ("moving", "second"):
            with rasterio.open(tmp_path / "out" / f"{name}.tif") as out:
                assert (out.transform.c, out.transform.f) == pytest.approx((WEST, NORTH), abs=0.5)


@pytest.fixture(scope="module")
def south_up(tmp_path_factory, shifted):
    path = tmp_path_factory.mktemp("south") / "moving.tif"
    with rasterio.open(shifted / "moving.tif") as file:
        array, profile = file.read()[:, ::-1], file.profile
        names = file.descriptions
    t = profile["transform"]
    profile["transform"] = rasterio.Affine(10, 0, t.c, 0, 10, t.f - 10 * profile["height"])
    with rasterio.open(path, "w", **profile) as file:
        file.write(array)
        file.descriptions = names
    return path


class TestFilesOfOtherPrograms:
    """Rows and columns of a file as GDAL and QGIS count them, and places in the CRS that a file says."""

    @pytest.mark.parametrize("ending", ["gcps", "points"])
    def test_a_file_that_is_stored_south_up(self, tmp_path, shifted, south_up, ending):
        """A pixel of the file is given the place that its ground has."""
        path = tmp_path / f"ties.{ending}"
        arguments = ["align", str(south_up), str(shifted / "reference.tif"), "--count", "16", "-q"]
        done = CliRunner().invoke(main, [*arguments, "-o", str(path)])
        assert done.exit_code == 0, done.output
        lines = path.read_text().splitlines()
        if ending == "gcps":
            rows = np.array([line.split()[1:] for line in lines], float)
        else:
            numbers = np.array([line.split(",")[:4] for line in lines[2:]], float)
            rows = numbers[:, [2, 3, 0, 1]] * (1, -1, 1, 1)
        with rasterio.open(south_up) as file:
            x, y = file.transform @ rows[:, :2].T
        off = rows[:, 2:] - np.stack([x, y], -1)
        np.testing.assert_allclose(off, np.tile((-23, 42), (len(off), 1)), atol=4)

    def test_points_are_read_as_they_were_written(self, tmp_path, shifted, south_up):
        path, again = tmp_path / "ties.points", tmp_path / "moved.tif"
        arguments = ["align", str(south_up), str(shifted / "reference.tif"), "--count", "16", "-q"]
        assert CliRunner().invoke(main, [*arguments, "-o", str(path)]).exit_code == 0
        done = CliRunner().invoke(main, [*arguments, "--points", str(path), "--moved", str(again)])
        assert done.exit_code == 0, done.output
        with rasterio.open(again) as file, rasterio.open(south_up) as source:
            assert file.transform.c - source.transform.c == pytest.approx(-23, abs=2)
            assert file.transform.f - source.transform.f == pytest.approx(42, abs=2)

    def test_targets_in_another_crs(self, tmp_path, aligned):
        write_ties(tmp_path / "own.points", records(aligned), aligned.georef)
        text = (tmp_path / "own.points").read_text().splitlines()
        rows = [line.split(",") for line in text[2:]]
        degrees = aligned.georef.to_degrees(
            [~aligned.georef.transform @ (float(row[0]), float(row[1])) for row in rows]
        )
        lines = ["#CRS: EPSG:4326", text[1]]
        lines += [
            ",".join([repr(lon), repr(lat), *row[2:]])
            for (lon, lat), row in zip(degrees.tolist(), rows, strict=True)
        ]
        (tmp_path / "degrees.points").write_text("\n".join(lines))
        own, other = (
            [point[:4] for point in read_ties(tmp_path / f"{name}.points", aligned.georef)]
            for name in ("own", "degrees")
        )
        np.testing.assert_allclose(other, own, atol=1e-3)
        (tmp_path / "degrees.points").write_text("\n".join(["#CRS: nonsense", *lines[1:]]))
        with pytest.raises(MatcherError, match="names no CRS"):
            read_ties(tmp_path / "degrees.points", aligned.georef)

    def test_features_without_properties(self, tmp_path, aligned):
        (tmp_path / "ties.geojson").write_text('{"features": [{"properties": null}]}')
        with pytest.raises(MatcherError, match="is no GeoJSON FeatureCollection"):
            read_ties(tmp_path / "ties.geojson", aligned.georef)


class TestBeforeTheWork:
    @pytest.mark.parametrize("more", [["--moved", "m.jpg"], ["--field", "f"], ["-o", "t.xyz"]])
    def test_endings_are_told_before_the_work(self, tmp_path, shifted, monkeypatch, more):
        monkeypatch.chdir(tmp_path)
        pair = [str(shifted / f"{name}.tif") for name in ("moving", "reference")]
        done = CliRunner().invoke(main, ["align", *pair, "-q", "-o", "t.csv", *more])
        assert done.exit_code == 1
        assert "choose one of them" in done.output
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("more", [["--moved", "m.tif"], ["-o", "t.gcps"], ["-o", "t.geojson"]])
    def test_scenes_without_a_place_write_nothing_that_needs_one(self, tmp_path, land, monkeypatch, more):
        monkeypatch.chdir(tmp_path)
        np.save(tmp_path / "a.npy", land[None])
        np.save(tmp_path / "b.npy", other_date(land)[None])
        done = CliRunner().invoke(main, ["align", "b.npy", "a.npy", "-q", "-o", "t.csv", *more])
        assert done.exit_code == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]


class TestManyInAFolder:
    def run(self, *arguments):
        return CliRunner().invoke(main, ["align", *map(str, arguments), "--count", "16", "-q"])

    @pytest.mark.slow
    def test_a_scene_that_is_called_as_anothers_field(self, tmp_path, shifted, land):
        """The moved scene and the other's displacement field are two files."""
        for name in ("z-field.tif", "z.tif"):
            write(tmp_path / name, other_date(land), WEST + 23, NORTH - 42)
        done = self.run(
            tmp_path / "z-field.tif",
            tmp_path / "z.tif",
            "in",
            shifted / "reference.tif",
            "--folder",
            tmp_path / "o",
        )
        assert done.exit_code == 0, done.output
        bands = {path.name: rasterio.open(path).count for path in sorted((tmp_path / "o").glob("*.tif"))}
        assert sorted(bands.values()) == [2, 2, 4, 4]
        assert bands["z-field.tif"] == 4

    @pytest.mark.slow
    def test_what_is_gone_is_made_again_and_other_outputs_are_another_run(self, tmp_path, shifted):
        common = (shifted / "moving.tif", "in", shifted / "reference.tif", "--folder", tmp_path / "o")
        assert self.run(*common).exit_code == 0
        whole = (tmp_path / "o" / "moving.tif").read_bytes()
        (tmp_path / "o" / "moving.tif").unlink()
        assert self.run(*common).exit_code == 0
        assert (tmp_path / "o" / "moving.tif").read_bytes() == whole
        done = self.run(*common, "--onto-reference")
        assert done.exit_code == 1
        assert "run with other outputs" in done.output

    def test_arrays(self, tmp_path, land):
        np.save(tmp_path / "a.npy", land[None])
        np.save(tmp_path / "b.npy", other_date(land)[None])
        common = (tmp_path / "b.npy", "in", tmp_path / "a.npy", "--folder", tmp_path / "o")
        done = self.run(*common)
        assert done.exit_code == 0, done.output
        assert "warn" not in done.stderr.lower()
        assert {path.name for path in (tmp_path / "o").iterdir()} >= {"b.csv", "b.json", "b-field.tif"}
        np.save(tmp_path / "b.npy", other_date(land, 5)[None])
        assert "run with other files" in self.run(*common).output

    @pytest.mark.slow
    def test_arrays_of_several_files_have_the_names_of_their_files(self, tmp_path, land):
        dates = np.stack([land, other_date(land)])
        np.save(tmp_path / "a.npy", dates[:1])
        np.save(tmp_path / "b.npy", dates)
        np.savez(tmp_path / "c.npz", images=dates)
        done = self.run(
            tmp_path / "a.npy", tmp_path / "b.npy", "in", tmp_path / "a.npy", "--folder", tmp_path / "o"
        )
        assert done.exit_code == 0, done.output
        assert {path.name for path in (tmp_path / "o").glob("*.csv")} == {"a.csv", "b-1.csv", "b-2.csv"}
        told = [json.loads((tmp_path / "o" / f"{name}.json").read_text())["moving"] for name in ("a", "b-1")]
        assert told == [str(tmp_path / "a.npy"), f"{tmp_path / 'b.npy'}, 1"]
        common = (tmp_path / "c.npz", "in", tmp_path / "a.npy", "--folder", tmp_path / "p")
        assert self.run(*common).exit_code == 0
        assert {path.name for path in (tmp_path / "p").glob("*.csv")} == {"c-0.csv", "c-1.csv"}
        np.savez(tmp_path / "c.npz", images=dates[::-1])
        assert "run with other files" in self.run(*common).output

    def test_an_offset_is_the_references_alone(self, tmp_path, land, monkeypatch):
        seen = []

        def record(moving, reference, _settings, asked):
            seen.append([asked.offset, moving.rasters[0].offset, reference.rasters[0].offset])
            raise MatcherError("enough")

        monkeypatch.setattr(series, "open_sides", record)
        scenes = np.stack([land, other_date(land)])
        settings, asked = Settings(), Aligning(offset=-7)
        series.align_series(
            scenes, land[None], tmp_path / "o", lambda *_: [], settings=settings, asked=asked, mutual=True
        )
        assert seen == [[None, 0, -7], [None, 0, -7], [None, 0, 0]]
