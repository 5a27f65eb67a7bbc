"""STAC as scenes: items of a band an asset and of one asset, collections, from files and from a server."""

import datetime

import numpy as np
import pytest

import matcher
from matcher.errors import MatcherError
from matcher.formats.opening import open_images, open_rasters
from matcher.formats.registry import files_of
from tests.formats.test_rasters import picture, write
from tests.formats.test_remote import server  # noqa: F401 (a fixture)
from tests.locating.test_locate import ground, other_date

pystac = pytest.importorskip("pystac")
pytest.importorskip("rasterio")
TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


def item(name, assets, day=1, **properties):
    made = pystac.Item(
        name, {"type": "Point", "coordinates": [4.5, 51.4]}, [4, 51, 5, 52],
        datetime.datetime(2023, 8, day, tzinfo=datetime.timezone.utc), properties,
    )  # fmt: skip
    for key, (href, fields, *more) in assets.items():
        media, roles = more or (TIFF, ["data"])
        made.add_asset(key, pystac.Asset(str(href), media_type=media, roles=roles, extra_fields=fields))
    return made


def saved(made, path):
    made.set_self_href(str(path))
    made.make_asset_hrefs_relative()
    made.save_object(include_self_link=False)
    return path


def bands_of_their_own(folder, pixels, key="eo:bands", **fields):
    """An item with an asset a band beside a thumbnail and a mask of clouds, as products are published."""
    assets = {}
    for k, (own, name) in enumerate((("B02", "blue"), ("B03", "green"), ("B04", "red"), ("B08", "nir"))):
        write(folder / f"{own}.tif", pixels[..., [2, 1, 0, 3][k]][..., np.newaxis])
        said = {"name": own, ("common_name" if key == "eo:bands" else "eo:common_name"): name}
        assets[own] = (f"{own}.tif", {key: [said], **fields})
    write(folder / "SCL.tif", pixels[..., :1])
    assets["SCL"] = ("SCL.tif", {})
    assets["thumbnail"] = ("B02.tif", {}, "image/jpeg", ["thumbnail"])
    return assets


@pytest.mark.parametrize("key", ["eo:bands", "bands"])
def test_an_item_of_an_asset_a_band(tmp_path, key):
    pixels = picture(30, 40)
    path = saved(item("scene", bands_of_their_own(tmp_path, pixels, key)), tmp_path / "item.json")
    source = open_rasters([path])
    assert source.band_names == ("red", "green", "blue", "nir")
    np.testing.assert_array_equal(source[0], pixels)
    assert source.rasters[0].georef.crs == "EPSG:32631"
    assert source.labels == ("2023-08-01",)
    assert [name.rsplit("/", 1)[-1] for name in files_of(str(path))] == [
        "item.json", "B04.tif", "B03.tif", "B02.tif", "B08.tif",
    ]  # fmt: skip


@pytest.mark.parametrize(("applied", "offset"), [(False, -1000), (True, 0)])
def test_offsets_of_products_are_undone(tmp_path, applied, offset):
    pixels = picture(30, 40, low=1100, high=4000)
    fields = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}
    made = item(
        "scene", bands_of_their_own(tmp_path, pixels, **fields), **{"earthsearch:boa_offset_applied": applied}
    )
    source = open_rasters([saved(made, tmp_path / "item.json")])
    np.testing.assert_array_equal(source[0], pixels.astype(int) + offset)


def test_an_item_of_one_asset(tmp_path):
    pixels = picture(30, 40)
    write(tmp_path / "all.tif", pixels)
    said = [{"name": str(k), "common_name": name} for k, name in enumerate(("blue", "green", "red", "nir08"))]
    said[3]["common_name"] = "nir"
    made = item("scene", {"visual": ("all.tif", {"eo:bands": said})})
    source = open_rasters([saved(made, tmp_path / "item.json")])
    assert source.band_names == ("blue", "green", "red", "nir")
    np.testing.assert_array_equal(source[0], pixels)


def collection(folder, lands):
    """A collection of an item a scene, saved."""
    made = pystac.Collection(
        "scenes", "two scenes",
        pystac.Extent(
            pystac.SpatialExtent([[4, 51, 5, 52]]),
            pystac.TemporalExtent([[datetime.datetime(2023, 8, 1, tzinfo=datetime.timezone.utc), None]]),
        ),
    )  # fmt: skip
    for k, land in enumerate(lands):
        write(folder / f"s{k}.tif", land, nodata=0)
        said = [{"name": name, "common_name": name} for name in ("red", "green", "blue", "nir")]
        one = item(f"s{k}", {"data": (f"../s{k}.tif", {"eo:bands": said})}, day=k + 1)
        made.add_item(one)
    made.normalize_hrefs(str(folder))
    for k, one in enumerate(made.get_items()):
        one.assets["data"].href = f"../s{k}.tif"
    made.save(pystac.CatalogType.SELF_CONTAINED)
    return folder / "collection.json"


def test_chips_in_a_collection_from_files_and_from_a_server(tmp_path, server):  # noqa: F811
    lands = [ground(150, 160, k) for k in range(2)]
    path = collection(tmp_path, lands)
    write(tmp_path / "chip.tif", other_date(lands[1])[51:99, 55:103], nodata=0)
    for name in (path, f"{server.root}/collection.json"):
        (place,) = matcher.locate(tmp_path / "chip.tif", name, evidence=("phase",))
        assert (round(place.row), round(place.col)) == (51, 55)
        assert place.scene == f"{name}, s1"
    assert open_rasters([path]).labels == ("2023-08-01", "2023-08-02")


def test_items_beside_their_pictures_are_no_other_pictures(tmp_path):
    write(tmp_path / "a.tif", picture(30, 40))
    said = [{"common_name": name} for name in ("red", "green", "blue", "nir")]
    saved(item("a", {"data": ("a.tif", {"eo:bands": said})}), tmp_path / "a.json")
    (tmp_path / "places.json").write_text("[]")
    assert len(open_images(tmp_path)) == 1


def test_what_is_wrong_is_told(tmp_path):
    (tmp_path / "broken.json").write_text('{"stac_version": "1.0.0"')
    with pytest.raises(MatcherError, match=r"broken\.json: cannot be read as STAC"):
        open_images(tmp_path / "broken.json")
    write(tmp_path / "SCL.tif", picture(30, 40, 1))
    none = item("none", {"thumbnail": ("SCL.tif", {}, "image/png", ["thumbnail"])})
    with pytest.raises(MatcherError, match="none of its assets says"):
        open_images(saved(none, tmp_path / "none.json"))
    gone = item("gone", {"red": ("red.tif", {"eo:bands": [{"common_name": "red"}]})})
    with pytest.raises(MatcherError, match=r"red\.tif: there is no such file"):
        open_images(saved(gone, tmp_path / "gone.json"))
