"""The forms of files that every command is tried on: writers of pictures and of series, by the form's name."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np

from matcher.formats.example import encode_example
from matcher.formats.official import write_images, write_patches, write_series
from matcher.formats.tfrecord import write_records
from matcher.imagery import to_official
from tests.formats.test_readers import write_flat

NAMES = ("red", "green", "blue", "nir")
CORNER = (600000, 5700000)
DAYS = ("2020-01-01", "2020-06-01", "2021-01-01")


def _eight(array):
    return np.clip(array[..., :3] // 16, 1, 255).astype(np.uint8)


def _raster(path, array, **profile):
    from rasterio.transform import from_origin

    from tests.formats.test_rasters import write

    return write(
        path, array, transform=from_origin(*CORNER, 10, 10), descriptions=NAMES[: array.shape[2]], **profile
    )


def _folder(path):
    path.mkdir(parents=True, exist_ok=True)
    return path


def _rasters(suffix, names=("0", "1", "2"), **profile):
    def write_all(folder, arrays, noun):  # noqa: ARG001 (rasters say neither)
        for name, array in zip(names, arrays, strict=False):
            _raster(folder / f"{name}{suffix}", array, **profile)
        return folder

    return write_all


def _globbed(folder, arrays, noun):
    return _rasters(".tif")(folder, arrays, noun) / "*.tif"


def _listed(folder, arrays, noun):
    _rasters(".tif")(folder, arrays, noun)
    (folder / "list.txt").write_text("\n".join(f"{k}.tif" for k in range(len(arrays))))
    return folder / "list.txt"


def _plain(suffix):
    def write_all(folder, arrays, noun):  # noqa: ARG001
        from PIL import Image

        for k, array in enumerate(arrays):
            Image.fromarray(_eight(array)).save(folder / f"{k}{suffix}", quality=95)
        return folder

    return write_all


def _bands(folder, arrays, noun):  # noqa: ARG001
    for k, array in enumerate(arrays):
        for band, name in enumerate(("B4", "B3", "B2", "B5")):
            _raster(folder / f"LC08_L2SP_{k}_T1_SR_{name}.TIF", array[..., band : band + 1])
    return folder


def _vrt(folder, arrays, noun):  # noqa: ARG001
    for k, array in enumerate(arrays):
        _raster(_folder(folder / "parts") / f"{k}.tif", array)
        bands = "".join(
            f'<VRTRasterBand dataType="UInt16" band="{b}"><Description>{name}</Description><SimpleSource>'
            f'<SourceFilename relativeToVRT="1">parts/{k}.tif</SourceFilename><SourceBand>{b}</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
            for b, name in enumerate(NAMES, 1)
        )
        height, width = array.shape[:2]
        (folder / f"{k}.vrt").write_text(
            f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32631</SRS><GeoTransform>'
            f"{CORNER[0]}, 10, 0, {CORNER[1]}, 0, -10</GeoTransform>{bands}</VRTDataset>"
        )
    return folder


def _product(folder, array, k):
    safe = folder / f"S2A_MSIL2A_202{k}0101T104431_N0211_R008_T31UFT_202{k}0101.SAFE"
    images = _folder(safe / "GRANULE" / "L2A_T31UFT" / "IMG_DATA" / "R10m")
    for band, name in enumerate(("B04", "B03", "B02", "B08")):
        _raster(images / f"T31UFT_202{k}0101T104431_{name}_10m.tif", array[..., band : band + 1])
    (safe / "MTD_MSIL2A.xml").write_text("<a><PROCESSING_BASELINE>02.11</PROCESSING_BASELINE></a>")
    return safe


def _products(folder, arrays, noun):  # noqa: ARG001
    for k, array in enumerate(arrays):
        _product(folder, array, k)
    return folder


def _zipped(folder, arrays, noun):
    _products(folder, arrays, noun)
    for safe in sorted(folder.glob("*.SAFE")):
        shutil.make_archive(str(safe), "zip", folder, safe.name)
        shutil.rmtree(safe)
    return folder


def _metadata(folder, arrays, noun):
    _products(folder, arrays, noun)
    paths = sorted(folder.glob("*.SAFE/MTD*.xml"))
    if len(paths) == 1:
        return paths[0]
    (folder / "list.txt").write_text("\n".join(str(path.relative_to(folder)) for path in paths))
    return folder / "list.txt"


def _zarr(variables):
    def write_all(folder, arrays, noun):  # noqa: ARG001
        import xarray

        stack = np.stack(arrays)
        count, height, width, _ = stack.shape
        x, y = CORNER[0] + 5 + 10.0 * np.arange(width), CORNER[1] - 5 - 10.0 * np.arange(height)
        coords = {"time": np.array(DAYS[:count], "datetime64[ns]"), "y": y, "x": x}
        if variables:
            held = {name: (("time", "y", "x"), stack[..., k]) for k, name in enumerate(NAMES)}
            data = xarray.Dataset(held, coords, {"crs": "EPSG:32631"})
        else:
            dims = ("time", "y", "x", "band")
            data = xarray.Dataset(
                {"dn": (dims, stack)}, coords | {"band": list(NAMES)}, {"crs": "EPSG:32631"}
            )
        data.to_zarr(folder / f"{folder.name}.zarr")
        return folder / f"{folder.name}.zarr"

    return write_all


def _flat(folder, arrays, noun):  # noqa: ARG001
    for k, array in enumerate(arrays):
        write_flat(folder / f"{k}.flat", np.ascontiguousarray(array), CORNER)
    return folder


def _npy(folder, arrays, noun):  # noqa: ARG001
    np.save(folder / f"{folder.name}.npy", np.stack(arrays))
    return folder / f"{folder.name}.npy"


def _npz(folder, arrays, noun):
    np.savez(folder / f"{folder.name}.npz", **{"images" if noun == "dates" else noun: np.stack(arrays)})
    return folder / f"{folder.name}.npz"


def _records(folder, arrays, noun):
    path = folder / f"{folder.name}.tfrecords"
    if noun == "dates":
        write_series(path, [to_official(np.stack(arrays))])
    else:
        {"images": write_images, "patches": write_patches}[noun](path, map(to_official, arrays))
    return path


def _shards(folder, arrays, noun):
    if noun == "dates":
        _records(folder, arrays, noun)
        return folder
    for k, array in enumerate(arrays):
        write = {"images": write_images, "patches": write_patches}[noun]
        write(folder / f"{k}.tfrecords", [to_official(array)], [k])
    return folder


def _float32(folder, arrays, noun):
    if noun == "dates":
        channels = np.moveaxis(np.stack(arrays), 0, 2).reshape(*arrays[0].shape[:2], -1)
        held = [{"time_series_raw": channels.astype("<f4").tobytes()}]
    else:
        stem = noun[:-1] if noun == "images" else "patch"
        held = [{f"{stem}_raw": a.astype("<f4").tobytes(), f"{stem}_id": k} for k, a in enumerate(arrays)]
    write_records(folder / f"{folder.name}.tfrecords", map(encode_example, held))
    return folder / f"{folder.name}.tfrecords"


def _stac(folder, arrays, noun):
    """An item collection, an item a picture, on the days of series."""
    _rasters(".tif")(folder, arrays, noun)
    said = [{"name": name, "common_name": name} for name in NAMES]
    features = [
        {
            "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": f"item-{k}", "links": [],
            "geometry": None, "properties": {"datetime": f"{DAYS[k % 3]}T10:00:00Z"},
            "assets": {"all": {"href": str(folder / f"{k}.tif"), "type": "image/tiff", "eo:bands": said}},
        }
        for k in range(len(arrays))
    ]  # fmt: skip
    text = json.dumps({"type": "FeatureCollection", "stac_version": "1.0.0", "features": features})
    (folder / "items.json").write_text(text)
    return folder / "items.json"


def _archive(folder, arrays, noun):
    """A list of what lies in a zip archive, as GDAL names it."""
    _rasters(".tif")(folder, arrays, noun)
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for k in range(len(arrays)):
            archive.write(folder / f"{k}.tif", f"{k}.tif")
    names = [f"/vsizip/{folder.absolute()}/all.zip/{k}.tif" for k in range(len(arrays))]
    (folder / "list.txt").write_text("\n".join(names))
    return folder / "list.txt"


FORMS = {
    "TFRecords of the challenge (`.tfrecords`)": _records,
    "a folder of TFRecord shards": _shards,
    "TFRecords of float32 (or another type)": _float32,
    "`.npy` stack": _npy,
    "`.npz` archive": _npz,
    "GeoTIFF": _rasters(".tif"),
    "a glob": _globbed,
    "a `.txt` list": _listed,
    "JPEG2000": _rasters(".jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES"),
    "PNG": _plain(".png"),
    "JPEG": _plain(".jpg"),
    "VRT": _vrt,
    "a file a band": _bands,
    "Sentinel-2 `.SAFE`": _products,
    "Sentinel-2 `.SAFE.zip`": _zipped,
    "Sentinel-2 `MTD_MSIL*.xml`": _metadata,
    "Zarr, an array a band": _zarr(True),
    "Zarr, an axis of bands": _zarr(False),
    "STAC items or collections": _stac,
    "`/vsizip`, `/vsicurl`, `/vsis3`": _archive,
    "a reader that a package adds": _flat,
}
EIGHT_BIT = ("PNG", "JPEG")
OFFICIAL = ("TFRecords of the challenge (`.tfrecords`)", "a folder of TFRecord shards")


def save(form, folder, arrays, noun):
    """Write pictures in a form to a folder of their own; returns what names them."""
    return FORMS[form](_folder(Path(folder)), list(arrays), noun)
