"""Names of what is no file of this disk: GDAL's virtual file systems, and addresses that they read."""

import os
from urllib.parse import urlsplit

VIRTUAL = "/vsi"
_FILE_SYSTEMS = {"http": "/vsicurl/http://", "https": "/vsicurl/https://", "s3": "/vsis3/", "gs": "/vsigs/"}
# For GDAL: look for no files beside, which would be asked of the server one by one, and do not wait for ever.
OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "30",
    "GDAL_HTTP_LOW_SPEED_TIME": "60",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_MAX_RETRY": "3",
}


def is_remote(path: str) -> bool:
    """Whether a name is GDAL's (``/vsicurl/…``, ``/vsizip/…``, ``/vsis3/…``) or an address (``https://``, ``s3://``)."""
    return path.startswith(VIRTUAL) or _scheme(path) in _FILE_SYSTEMS


def to_gdal(path: str) -> str:
    """An address as GDAL names it; any other path as it is."""
    scheme = _scheme(path)
    if path.startswith(VIRTUAL) or scheme not in _FILE_SYSTEMS:
        return path
    return _FILE_SYSTEMS[scheme] + path.partition("://")[2]


def ending(path: str) -> str:
    """The suffix of a name in small letters, without what follows a question mark in an address."""
    own = path.partition("?")[0] if is_remote(path) else path
    return os.path.splitext(own)[1].lower()


def _scheme(path: str) -> str:
    return urlsplit(path).scheme.lower() if "://" in path else ""
