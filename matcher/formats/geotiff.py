"""GeoTIFF, JPEG2000 and whatever else GDAL reads, by rasterio, which is imported where one is read."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matcher.errors import FormatError
from matcher.formats.files import atomic_write
from matcher.formats.handles import Window
from matcher.formats.remote import OPTIONS, is_remote
from matcher.version import install_command

_CACHE_MB = 192  # of decoded blocks, all datasets together
# What lies beside a file is asked for by name: to list a folder of thousands at every file doubles the time.
_LOCAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}


class Dataset:
    """An open rasterio dataset, a `matcher.formats.handles.Handle`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.dataset = open_dataset(path)

    def close(self) -> None:
        """Close it."""
        self.dataset.close()

    def read(self, indices: list[int], window: Window) -> tuple[NDArray, NDArray[np.bool_]]:
        """Values (bands, height, width) of a window, and where nodata or a mask says that they are none."""
        from rasterio.enums import MaskFlags
        from rasterio.windows import Window as Area

        row, col, height, width = window
        dataset = self.dataset
        area = Area(col, row, width, height)
        empty = np.zeros((height, width), bool)
        with gdal_errors(self.path, f"cannot be read at row {row}, column {col}"):
            values = dataset.read(indices, window=area)
            for value, index in zip(values, indices, strict=True):
                flags = dataset.mask_flag_enums[index - 1]
                nodata = dataset.nodatavals[index - 1]
                if MaskFlags.nodata in flags and nodata is not None:
                    if nodata != 0:  # 0 is no data where all bands say so, which needs no mask
                        empty |= np.isnan(value) if np.isnan(nodata) else value == nodata
                elif MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
                    empty |= dataset.read_masks(index, window=area) == 0
        return values, empty


def open_dataset(path: str) -> Any:
    """A rasterio dataset.

    Raises
    ------
    FormatError
        If rasterio is missing, or the file is missing, damaged or of no form that it reads.
    """
    rasterio = import_rasterio(path)
    if not is_remote(path) and not os.path.exists(path):
        raise FormatError(f"{path}: there is no such file")
    with (
        gdal_errors(path, "cannot be opened as GeoTIFF, JPEG2000 or another raster"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        try:
            return rasterio.open(path)
        except UnicodeError:
            raise FormatError(f"{path}: GDAL reads no file whose name is not UTF-8: rename it") from None


def write_geotiff(
    path: str | os.PathLike[str],
    values: NDArray,
    profile: dict[str, Any],
    describe: Callable[[Any], None],
) -> None:
    """Write values (bands, height, width) as a GeoTIFF, which appears when it is whole.

    `profile` is rasterio's, beside size and dtype; `describe` is handed the open dataset for names and tags.

    Raises
    ------
    MatcherError
        If rasterio is missing, or the file cannot be written.
    """
    rasterio = import_rasterio(os.fspath(path))
    size = dict(zip(("count", "height", "width"), values.shape, strict=True))
    whole = {"compress": "deflate", **profile, **size, "driver": "GTiff", "dtype": values.dtype.name}
    with (
        warnings.catch_warnings(),
        gdal_errors(os.fspath(path), "cannot be written"),
        rasterio.MemoryFile() as memory,
    ):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with memory.open(**whole) as dataset:
            describe(dataset)  # first: with the pixels TIFF's own tags, as of colours, are written for good
            dataset.write(values)
        data = memory.read()
    with atomic_write(path) as file:
        file.write(data)


@contextlib.contextmanager
def gdal_errors(path: str, what: str) -> Iterator[None]:
    """GDAL with this package's cache; what it raises becomes a FormatError that names the file."""
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB, **(OPTIONS if is_remote(path) else _LOCAL)):
            yield
    except (RasterioError, CPLE_BaseError) as error:
        raise FormatError(f"{path}: {what}: {_one_line(error, path)}; is the file whole?") from None


def import_rasterio(path: str) -> Any:
    """The rasterio module, or a FormatError that says how to get it."""
    try:
        import rasterio
        import rasterio.errors
    except ImportError:
        raise FormatError(
            f"{path}: reading GeoTIFF and JPEG2000 needs rasterio: {install_command('geo')}"
        ) from None
    return rasterio


def _one_line(error: BaseException, path: str) -> str:
    """GDAL's message in one line, with its cause, without the path that stands before it already."""
    cause = error.__cause__ or error.__context__
    text = str(cause or error).splitlines()[0] if str(cause or error) else type(error).__name__
    for spelling in (f"'{path}' ", f"{path}: ", f"'{path}'", path, f"{os.path.basename(path)}, "):
        text = text.replace(spelling, "")
    return text.strip().rstrip(".")
