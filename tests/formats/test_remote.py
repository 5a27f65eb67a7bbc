"""What lies elsewhere: GDAL's virtual file systems and addresses, from a server on loopback that knows ranges."""

import http.server
import re
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

import matcher
from matcher.errors import MatcherError
from matcher.formats.fingerprint import Inputs
from matcher.formats.opening import open_rasters
from matcher.formats.registry import expand, files_of
from matcher.formats.remote import ending, is_remote, to_gdal
from tests.formats.test_rasters import write
from tests.locating.test_locate import ground, other_date

pytest.importorskip("rasterio")
RNG = np.random.default_rng(3)


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, in parts where parts are asked for; the server counts what it sent."""

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body):
        path = Path(self.server.folder) / self.path.partition("?")[0].lstrip("/")
        self.server.asked.append(path.name)
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        first, last = 0, len(data) - 1
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if body:
            self.wfile.write(data[first : last + 1])
            self.server.sent += last + 1 - first

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A server of the folder `tmp_path`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges) as server:
        server.folder, server.sent, server.asked = tmp_path, 0, []
        server.root = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def large(path):
    """A scene of 9 MB that does not compress, and its pixels."""
    pixels = RNG.integers(1, 60_000, (1100, 1024, 4)).astype(np.uint16)
    write(path, pixels, tiled=True, blockxsize=256, blockysize=256)
    return pixels


def test_names():
    assert [is_remote(p) for p in ("/vsizip/a.zip/b.tif", "https://a.org/b.tif", "s3://a/b.tif", "a.tif", "C:\\a")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert to_gdal("https://a.org/b.tif?c=d") == "/vsicurl/https://a.org/b.tif?c=d"
    assert to_gdal("s3://bucket/b.tif") == "/vsis3/bucket/b.tif"
    assert to_gdal("b.tif") == "b.tif"
    assert ending("https://a.org/b.TIF?c=d.png") == ".tif"
    with pytest.raises(MatcherError, match="nothing reads what lies elsewhere"):
        expand("https://a.org/b.exe")


@pytest.mark.parametrize("form", ["vsicurl", "address", "query"])
def test_windows_alone_are_read_from_a_server(tmp_path, server, form):
    pixels = large(tmp_path / "scene.tif")
    name = {
        "vsicurl": f"/vsicurl/{server.root}/scene.tif",
        "address": f"{server.root}/scene.tif",
        "query": f"{server.root}/scene.tif?token=a.b",
    }[form]
    source = open_rasters([name])
    np.testing.assert_array_equal(source.read(0, 700, 500, 40, 50), pixels[700:740, 500:550])
    assert 0 < server.sent < (tmp_path / "scene.tif").stat().st_size / 3
    assert set(server.asked) == {"scene.tif"}  # no file beside it was asked for


def test_buckets(tmp_path, server, monkeypatch):
    pixels = large(tmp_path / "scene.tif")
    (tmp_path / "bucket").mkdir()
    (tmp_path / "scene.tif").rename(tmp_path / "bucket" / "scene.tif")
    for key, value in {
        "AWS_S3_ENDPOINT": server.root.removeprefix("http://"), "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_NO_SIGN_REQUEST": "YES",
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    for name in ("/vsis3/bucket/scene.tif", "s3://bucket/scene.tif"):
        source = open_rasters([name])
        np.testing.assert_array_equal(source.read(0, 3, 5, 40, 50), pixels[3:43, 5:55])
    assert server.sent < (tmp_path / "bucket" / "scene.tif").stat().st_size / 3


def test_chips_in_a_scene_of_a_server_and_in_an_archive(tmp_path, server):
    land = ground(300, 320)
    write(tmp_path / "scene.tif", land, nodata=0)
    write(tmp_path / "chip.tif", other_date(land)[101:149, 155:203], nodata=0)
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        archive.write(tmp_path / "scene.tif", "inside/scene.tif")
    names = [f"/vsicurl/{server.root}/scene.tif", f"/vsizip/{tmp_path}/scenes.zip/inside/scene.tif"]
    (tmp_path / "list.txt").write_text("\n".join(names[1:]) + "\n")
    for scenes in (names[:1], [str(tmp_path / "list.txt")]):
        (place,) = matcher.locate(tmp_path / "chip.tif", scenes, evidence=("phase",))
        assert (round(place.row), round(place.col)) == (101, 155)
        assert place.scene in names


def test_one_that_is_not_there_is_told(server):
    with pytest.raises(MatcherError, match=r"none\.tif: cannot be opened"):
        open_rasters([f"{server.root}/none.tif"])


def test_what_a_run_remembers_of_it(tmp_path, server, monkeypatch):
    """Its name, its form and its first pixels: enough to tell that another picture is there now."""
    large(tmp_path / "scene.tif")
    name = f"{server.root}/scene.tif"
    assert files_of(name) == [f"/vsicurl/{name}"]
    first = Inputs(images=name).fingerprints
    assert server.sent < (tmp_path / "scene.tif").stat().st_size / 3
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "deeper")
    assert Inputs(images=name).fingerprints == first
    write(tmp_path / "other.tif", RNG.integers(1, 60_000, (1100, 1024, 4)).astype(np.uint16))
    assert Inputs(images=f"{server.root}/other.tif").fingerprints != first
