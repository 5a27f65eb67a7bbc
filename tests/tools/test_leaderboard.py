"""The leaderboard: every checksum holds, and the page is what its submissions give."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        yield importlib.import_module("leaderboard")


def test_every_submission_is_as_recorded(tool):
    folders = [path for path in tool.RESULTS.iterdir() if path.is_dir()]
    assert len(folders) >= 2
    for folder in folders:
        assert tool.check(folder) == []
        for name, entry in tool.entries(folder).items():
            assert {"title", "command", "learned on", "versions", "machine", "sha256"} == entry.keys(), name


def test_the_page_is_what_the_submissions_give(tool):
    assert (tool.RESULTS / "README.md").read_text(encoding="utf-8") == tool.page()


def test_an_entry_is_added_and_a_change_is_seen(tool, tmp_path, monkeypatch):
    folder = tmp_path / "results" / "tiny"
    folder.mkdir(parents=True)
    (folder / "answers.csv").write_text("Patch ID,Result\n1,7 0 0\n2,8 0 0\n")
    protocol = tmp_path / "protocol.json"
    wanted = {"tiny": {"answers.csv": tool.file_checksum(folder / "answers.csv")}}
    protocol.write_text(json.dumps({"sha256": wanted}))
    monkeypatch.setattr(tool, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(tool, "PROTOCOL", protocol)
    for name, row in (("good", "2,8 0 0"), ("bad", "2,7 0 0")):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"Patch ID,Result\n1,7 0 0\n{row}\n")
        monkeypatch.setattr(
            "sys.argv", ["x", "--add", "tiny", str(path), "--title", name, "--command", f"make {name}"]
        )
        tool.main()
    assert tool.check(folder) == []
    lines = [line for line in tool.page().splitlines() if line.startswith("| [")]
    assert lines[0].startswith("| [good](tiny/good.csv) | 1.000")
    assert "| -0.500 [-1.000, +0.000] |" in lines[1]
    (folder / "bad.csv").write_text((folder / "good.csv").read_text())
    (folder / "stray.csv").write_text("Patch ID,Result\n")
    (folder / "answers.csv").write_text("Patch ID,Result\n1,7 0 0\n")
    assert tool.check(folder) == ["answers.csv", "bad.csv", "stray.csv"]
