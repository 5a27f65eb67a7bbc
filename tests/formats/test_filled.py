"""Folders that commands fill: whole, of one call, and of nobody else."""

import os
import sys

import pytest

from matcher.errors import MatcherError
from matcher.formats import filled
from matcher.formats.filled import OutputFolder

NAMES = ("answers.csv", "images.bin", "patches.bin")


def fill(folder, text, meanwhile=None):
    with OutputFolder(folder, "test").filling(NAMES) as work:
        for name in NAMES:
            (work / name).write_text(text)
        if meanwhile is not None:
            meanwhile.write_text("mine")


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")}


def test_files_appear_when_all_are_whole_and_replace_those_of_an_earlier_call(tmp_path):
    fill(tmp_path, "one")
    fill(tmp_path, "two")
    with pytest.raises(ZeroDivisionError), OutputFolder(tmp_path, "test").filling(NAMES) as work:
        (work / NAMES[0]).write_text(str(1 / 0))
    assert content(tmp_path) == dict.fromkeys(NAMES, "two")
    assert len(list(tmp_path.iterdir())) == len(NAMES) + 1


@pytest.mark.parametrize("stopped", range(len(NAMES)))
def test_a_kill_while_files_are_moved_in_leaves_none_of_the_call_before(tmp_path, monkeypatch, stopped):
    fill(tmp_path, "one")
    moved = []

    def replace(old, new):
        if len(moved) == stopped:
            raise KeyboardInterrupt
        moved.append(new)
        os.rename(old, new)

    with monkeypatch.context() as patched:
        patched.setattr(filled.os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            fill(tmp_path, "two")
    assert content(tmp_path) == dict.fromkeys(NAMES[:stopped], "two")
    fill(tmp_path, "two")
    assert content(tmp_path) == dict.fromkeys(NAMES, "two")


def test_what_is_put_there_meanwhile_stays(tmp_path):
    fill(tmp_path, "one")
    with pytest.raises(
        MatcherError, match=r"images\.bin: is there already, and not as this command wrote it"
    ):
        fill(tmp_path, "two", tmp_path / "images.bin")
    assert content(tmp_path) == {**dict.fromkeys(NAMES, "one"), "images.bin": "mine"}


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_one_process_at_a_time_fills_a_folder_and_what_a_killed_one_left_goes(tmp_path):
    left = tmp_path / ".matcher-test-abcd_123"
    other = tmp_path / ".matcher-test-of-mine"
    for folder in (left, other):
        folder.mkdir()
        (folder / "half").write_text("")
    with OutputFolder(tmp_path, "test").filling(NAMES):
        assert not left.exists()
        assert (other / "half").exists()
        with pytest.raises(MatcherError, match="another process fills it"):
            fill(tmp_path, "two")
    fill(tmp_path, "three")
    assert content(tmp_path)[NAMES[0]] == "three"


def test_a_line_of_the_list_that_was_cut_short_hides_no_other(tmp_path):
    (tmp_path / ".matcher-test.sha256").write_text("0123")
    fill(tmp_path, "one")
    fill(tmp_path, "two")
    assert content(tmp_path) == dict.fromkeys(NAMES, "two")
