"""STAC items, collections and catalogs, by pystac, which is imported where one is read.

An item is a raster: its assets of a band each (by ``eo:bands`` or ``bands``, or by their keys), or the one asset that
has red, green, blue and near infrared. A collection, a catalog or an item collection is a raster an item.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from matcher.errors import FormatError
from matcher.formats.bandnames import ORDER, name_of
from matcher.formats.gather import Entry, RasterForm
from matcher.formats.raster import Raster
from matcher.formats.rasters import open_bands, open_file
from matcher.formats.remote import ending, is_remote, to_gdal
from matcher.version import install_command

SUFFIXES = (".json", ".geojson")
_MARK = '"stac_version"'
_LARGEST = 64 << 20  # bytes of a file that is looked through for what it is
_PICTURES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff", "image/x.geotiff")
_HARMONIZED = "earthsearch:boa_offset_applied"  # the offset that the bands state is in the values already


class StacReader(RasterForm):
    """Items, and what holds items; a raster an item."""

    name = "STAC items, collections and catalogs (.json)"
    aside = True

    def claims(self, path: str) -> bool:
        """Whether a JSON file says which version of STAC it is of, or an address ends as one does."""
        if ending(path) not in SUFFIXES:
            return False
        if is_remote(path):
            return True
        try:
            own = Path(path)
            return own.stat().st_size <= _LARGEST and _MARK in own.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return False

    def entries(self, paths: Sequence[str]) -> list[Entry]:
        """A raster an item."""
        out = []
        for path in paths:
            items = list(_items(path))
            for item in items:
                name = path if len(items) == 1 else f"{path}, {item.id}"
                opener = partial(_raster, name, item)
                out.append(Entry(name, opener, (path,)))
        return out

    def files(self, path: str) -> list[str]:
        """The files of items and of their bands; what is not on this disk is told by its address."""
        found = [path]
        for item in _items(path):
            own = item.get_self_href()
            found += [own] if own else []
            found += [href for _, href, _, _ in _bands(item)] or [href for _, href in _stacks(item)]
        return list(dict.fromkeys(found))


def _items(path: str) -> Iterator[Any]:
    """The items that a file holds, or leads to."""
    try:
        import pystac
    except ImportError:
        raise FormatError(f"{path}: reading STAC needs pystac: {install_command('stac')}") from None
    href = path.removeprefix("/vsicurl/")
    where = href if is_remote(href) else os.path.abspath(href)
    try:
        try:
            held: Any = pystac.read_file(where)
        except pystac.STACTypeError:
            held = pystac.ItemCollection.from_file(where)
        if isinstance(held, pystac.Catalog):
            items = list(held.get_items(recursive=True))
        else:
            items = [held] if isinstance(held, pystac.Item) else list(held)
    except (
        Exception
    ) as error:  # pystac raises errors of many kinds, those of its reader of addresses among them
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(f"{path}: cannot be read as STAC: {text}") from None
    if not items:
        raise FormatError(f"{path}: leads to no item")
    yield from items


def _raster(name: str, item: Any, bands: Sequence[str] | None) -> Raster:
    """An item as one raster."""
    singles = _bands(item)
    stacks = _stacks(item)
    if len(singles) > 1 or (singles and not stacks):
        raster = open_bands(name, [href for _, href, _, _ in singles], [band for band, *_ in singles], bands)
        offsets = {offset for band, _, offset, _ in singles if band in raster.names}
        if len(offsets) > 1:
            raise FormatError(
                f"{name}: its bands have different offsets ({', '.join(map(str, sorted(offsets)))})"
            )
        return replace(raster, offset=offsets.pop() if offsets else 0.0, label=_label(item))
    if not stacks:
        has = ", ".join(item.assets) or "none"
        raise FormatError(
            f"{name}: none of its assets says that it is red, green, blue or near infrared: {has}"
        )
    names, href = max(stacks, key=lambda one: len(set(one[0]) & set(ORDER)))
    said = [name for name in names if name is not None]
    raster = open_file(href, bands or (said if said and len(said) == len(names) else None))
    return replace(raster, name=name, label=_label(item))


def _label(item: Any) -> str:
    """The day of an item, or else its id."""
    when = item.datetime or item.common_metadata.start_datetime
    return str(item.id) if when is None else when.date().isoformat()


def _bands(item: Any) -> list[tuple[str, str, float, str]]:
    """Assets of one band that is red, green, blue or near infrared: name, file, offset of its values, key.

    Of several assets of one band the first is taken, GeoTIFFs before others.
    """
    found: dict[str, tuple[str, str, float, str]] = {}
    assets = sorted(item.assets.items(), key=lambda one: "tiff" not in (one[1].media_type or ""))
    for key, asset in assets:
        said = _said(asset)
        if not _is_picture(asset) or len(said) > 1:
            continue
        band = _band(said[0]) if said else None
        band = band or name_of(key)
        if band in ORDER and band not in found:
            found[band] = band, _href(asset), _offset(item, asset, said), key
    return [found[band] for band in ORDER if band in found]


def _stacks(item: Any) -> list[tuple[list[str | None], str]]:
    """Assets of several bands: the bands' names, and the file; those without any that is known last."""
    out = []
    for asset in item.assets.values():
        said = _said(asset)
        if _is_picture(asset) and (len(said) > 1 or not said):
            out.append(([_band(one) for one in said], _href(asset)))
    return out


def _said(asset: Any) -> list[dict[str, Any]]:
    """What an asset says of its bands, by STAC 1.1 or before."""
    fields = asset.extra_fields
    return list(fields.get("eo:bands") or fields.get("bands") or [])


def _band(said: dict[str, Any]) -> str | None:
    for key in ("common_name", "eo:common_name", "name", "description"):
        name = name_of(str(said.get(key) or ""))
        if name is not None:
            return name
    return None


def _is_picture(asset: Any) -> bool:
    roles = asset.roles or []
    if "thumbnail" in roles or "overview" in roles:
        return False
    media = (asset.media_type or "").lower()
    return media.startswith(_PICTURES) or (not media and ending(asset.href) in (".tif", ".tiff", ".jp2"))


def _href(asset: Any) -> str:
    """Where an asset lies, as GDAL names it."""
    return to_gdal(str(asset.get_absolute_href() or asset.href))


def _offset(item: Any, asset: Any, said: Sequence[dict[str, Any]]) -> float:
    """What is added to an asset's stored values before its scale, so that 0 is no reflectance."""
    if item.properties.get(_HARMONIZED):
        return 0.0
    told = [*(asset.extra_fields.get("raster:bands") or []), *said, asset.extra_fields]
    for one in told:
        scale, offset = (one.get(key, one.get(f"raster:{key}")) for key in ("scale", "offset"))
        if scale and offset:
            return float(round(offset / scale))
    return 0.0
