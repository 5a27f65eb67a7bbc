"""Where a Dask scheduler is said to be: what can be none is told before any work."""

import json

import pytest

from matcher.errors import SettingsError
from matcher.runs.cluster import DaskCluster
from matcher.settings import Settings

pytest.importorskip("distributed")


@pytest.mark.parametrize("address", ["", "foo", "gone.json", "http://host:80", "tcp://host", "tcp://host:x"])
def test_an_address_of_no_scheduler(address):
    with pytest.raises(SettingsError, match="is neither the address of a Dask scheduler"):
        DaskCluster(address).check(Settings())


@pytest.mark.parametrize("text", ["", "{}", "[]", "5", '{"address": 5}', '{"address": "host"}', "\x93"])
def test_a_file_that_no_scheduler_wrote(tmp_path, text):
    path = tmp_path / "scheduler.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError, match="is neither the address of a Dask scheduler"):
        DaskCluster(str(path)).check(Settings())


def test_addresses_and_files_of_schedulers(tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"address": "tls://host:8786"}))
    for address in (str(path), "tcp://127.0.0.1:8786", "host:8786", "tcp://[::1]:8786", "inproc://1/2/3"):
        DaskCluster(address).check(Settings())
