"""The leaderboard: every checksum holds, and the page is what its submissions give."""

import importlib
import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from matcher.errors import FormatError

TOOL = "leaderboard"


def test_every_submission_is_as_recorded(tool):
    folders = [path for path in tool.RESULTS.iterdir() if path.is_dir()]
    assert len(folders) >= 2
    for folder in folders:
        assert tool.check(folder) == []
        for name, entry in tool.entries(folder).items():
            assert {"title", "command", "learned on", "versions", "machine", "sha256"} == entry.keys(), name


def test_the_page_is_what_the_submissions_give(tool):
    boards = tool.read_boards()
    assert (tool.RESULTS / "README.md").read_text(encoding="utf-8") == tool.page(boards)
    table = "\n".join(tool.summary(boards))
    assert f"-->\n{table}\n<!-- end of results -->" in tool.SUMMARY.read_text(encoding="utf-8")


def test_an_entry_is_added_and_a_change_is_seen(tool, tmp_path, monkeypatch):
    folder = tmp_path / "results" / "tiny"
    folder.mkdir(parents=True)
    (folder / "answers.csv").write_text("Patch ID,Result\n1,7 0 0\n2,8 0 0\n")
    protocol = tmp_path / "protocol.json"
    wanted = {"tiny": {"answers.csv": tool.file_checksum(folder / "answers.csv")}}
    protocol.write_text(json.dumps({"sha256": wanted}))
    monkeypatch.setattr(tool, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(tool, "PROTOCOL", protocol)
    summary = tmp_path / "protocol.md"
    summary.write_text("a\n<!-- results: written by tools/leaderboard.py -->\n<!-- end of results -->\n")
    monkeypatch.setattr(tool, "SUMMARY", summary)
    for name, row in (("good", "2,8 0 0"), ("bad", "2,7 0 0")):
        path = tmp_path / f"{name}.csv"
        path.write_text(f"Patch ID,Result\n1,7 0 0\n{row}\n")
        monkeypatch.setattr(
            "sys.argv", ["x", "--add", "tiny", str(path), "--title", name, "--command", f"make {name}"]
        )
        tool.main()
    with pytest.raises(SystemExit, match=r"tiny/bad.csv: stands there already"):
        tool.main()
    assert tool.check(folder) == []
    assert (tmp_path / "results" / "README.md").read_text() == tool.page(tool.read_boards())
    told = [line for line in summary.read_text().splitlines() if line.startswith("| `")]
    assert [line.split(" | ")[:3] for line in told] == [["| `tiny`", "good", "1.000 [1.000, 1.000]"]]
    lines = [line for line in tool.page(tool.read_boards()).splitlines() if line.startswith("| [")]
    assert lines[0].startswith("| [good](tiny/good.csv) | 1.000")
    assert "| -0.500 [-1.000, +0.000] |" in lines[1]
    (folder / "bad.csv").write_text((folder / "good.csv").read_text())
    (folder / "stray.csv").write_text("Patch ID,Result\n")
    (folder / "answers.csv").write_text("Patch ID,Result\n1,7 0 0\n")
    assert tool.check(folder) == ["answers.csv", "bad.csv", "stray.csv"]


def test_what_is_no_submission_is_not_added(tool, tmp_path, monkeypatch):
    folder = tmp_path / "results" / "tiny"
    folder.mkdir(parents=True)
    (folder / "answers.csv").write_text("Patch ID,Result\n1,7 0 0\n2,8 0 0\n")
    monkeypatch.setattr(tool, "RESULTS", tmp_path / "results")
    np.savez(tmp_path / "ranking.npz", ids=[1, 2], image=[[7], [8]], score=[[1.0], [1.0]])
    with pytest.raises(FormatError, match=r"ranking\.npz"):
        tool.add(
            "tiny", tmp_path / "ranking.npz", Namespace(title="t", commands=("c",), learned_on="", needs=())
        )
    assert [path.name for path in folder.iterdir()] == ["answers.csv"]


def test_a_title_with_a_bar_stays_in_its_cell(tool, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "answers.csv").write_text("Patch ID,Result\n1,7 0 0\n2,8 0 0\n")
    (folder / "one.csv").write_text("Patch ID,Result\n1,7 0 0\n2,8 0 0\n")
    told = {"title": "a | b\nc", "command": "x | y", "learned on": "none"}
    (folder / "one.json").write_text(json.dumps(told))
    board = tool.read_board(folder)
    row = next(line for line in tool.section(board) if line.startswith("| ["))
    assert row.startswith(r"| [a \| b c](tiny/one.csv) |")
    assert row.endswith(r"| `x \| y` |")
    assert r"| a \| b c |" in list(tool.summary([board]))[-1]


@pytest.fixture
def copied(tool, tmp_path, monkeypatch):
    """A method that copies a file, one whose package is not there, and a work folder with their challenge."""
    entrants = importlib.import_module("entrants")
    work, results = tmp_path / "work", tmp_path / "results"
    held = work / "real-split" / "validation"
    held.mkdir(parents=True)
    results.mkdir()
    (held / "answers.csv").write_text("Patch ID,Result\n1,7 0 0\n2,8 0 0\n")
    script = tmp_path / "copy.py"
    script.write_text("import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])")
    command = f"python {script} CHALLENGE/answers.csv one.csv"
    one = entrants.Entrant("one", (command,), ("real-split",), "it", code=(script,))
    absent = entrants.Entrant("absent", (), ("real-split",), needs=("no-such-package",))
    monkeypatch.setattr(tool, "RESULTS", results)
    monkeypatch.setattr(tool, "ENTRANTS", {"one": one, "absent": absent})
    return work, script, one


def test_entrants_are_run_where_they_are_not_yet(tool, copied, monkeypatch):
    """A method's commands are run in the challenge's folder of entries, and its submission is added."""
    work, _, one = copied
    tool.make(work, {"real-split", "real-64"}, {"one", "absent"})
    told = tool.entries(tool.RESULTS / "real-split")
    assert list(told) == ["one"]
    assert told["one"]["command"] == one.commands[0]
    assert told["one"]["learned on"] == "it"
    monkeypatch.setattr(type(one), "make", None)  # what is there is not made again
    tool.make(work, {"real-split"}, {"one", "absent"})


def test_what_other_code_answered_is_made_anew(tool, copied, monkeypatch):
    """Answers of another state of the code, the packages or the challenge do not count, nor do those of none."""
    work, script, _ = copied
    kept = work / "entries" / "real-split" / "one.csv"
    tool.make(work, {"real-split"}, {"one"})
    answers = work / "real-split" / "validation" / "answers.csv"
    changes = (
        lambda: script.write_text(script.read_text() + "  # changed"),
        lambda: answers.write_text("Patch ID,Result\n1,7 0 0\n2,9 0 0\n"),
        lambda: monkeypatch.setattr(importlib.import_module("entrants"), "PACKAGES", ("numpy",)),
        tool.state_file(kept).unlink,
        kept.unlink,
    )
    for change in changes:
        if kept.exists():
            kept.write_text("Patch ID,Result\n1,1 0 0\n2,1 0 0\n")
        change()
        tool.make(work, {"real-split"}, {"one"})
        assert kept.read_text() == answers.read_text()
        assert (tool.RESULTS / "real-split" / "one.csv").read_text() == answers.read_text()
    script.write_text("raise SystemExit(1)")
    with pytest.raises(SystemExit, match="failed"):
        tool.make(work, {"real-split"}, {"one"})
    assert not kept.exists()


def test_every_method_knows_what_its_answers_come_from():
    """All of the matcher's code and numbers where it searches, else the scripts that are run."""
    for name, entrant in importlib.import_module("entrants").ENTRANTS.items():
        said = {path.name for path in entrant.code}
        scripts = {Path(word).name for c in entrant.commands for word in c.split() if word.endswith(".py")}
        assert scripts <= said, name
        if not scripts:
            assert {"levels.py", "confidence.py", "products.py", "model.npz"} <= said, name
        assert ("local_histograms.py" in said) == ("histograms" in name), name


def test_what_is_not_run_yet_is_said(tool, tmp_path, monkeypatch):
    entrants = importlib.import_module("entrants")
    both = {name: entrants.Entrant(name, (), ("real-32", "real-64")) for name in ("one", "two")}
    monkeypatch.setattr(tool, "RESULTS", tmp_path)
    monkeypatch.setattr(tool, "ENTRANTS", both)
    (tmp_path / "real-64").mkdir()
    (tmp_path / "real-64" / "one.json").write_text("{}")
    assert list(tool.absent()) == ["- real-64: two", "- real-32: one, two"]
    (tmp_path / "real-32").mkdir()
    for name in ("real-32/one", "real-32/two", "real-64/two"):
        (tmp_path / f"{name}.json").write_text("{}")
    assert list(tool.absent()) == []


def test_every_entry_is_of_a_method_that_can_be_run(tool):
    """Those of our own; others may add theirs."""
    entrants = importlib.import_module("entrants").ENTRANTS
    for folder in (path for path in tool.RESULTS.iterdir() if path.is_dir()):
        for name, entry in tool.entries(folder).items():
            if name in entrants:
                assert folder.name in entrants[name].on, name
                assert entry["title"] == entrants[name].title
                assert entry["command"] == "; ".join(entrants[name].commands)


def test_a_name_that_is_none_is_told(tool):
    assert tool.chosen("b,a", {"a": 1, "b": 2}, "method") == {"a", "b"}
    with pytest.raises(SystemExit, match=r"c: no method; there are a, b"):
        tool.chosen("a,c", {"a": 1, "b": 2}, "method")


def test_the_guide_to_learned_methods_shows_what_the_leaderboard_says(tool):
    """The same rankings stand in both, the matcher's in the tutorial too."""
    board = tool.read_board(tool.RESULTS / "real-split")
    learned = (tool.ROOT / "docs" / "learned" / "README.md").read_text(encoding="utf-8")
    tutorial = (tool.ROOT / "docs" / "tutorials" / "learned.md").read_text(encoding="utf-8")
    own, triplet = (board.cells(name)[0] for name in ("exhaustive-ranking", "triplet"))
    rows = [row.split("  ") for row in learned.splitlines() if row.startswith("official score  ")]
    alone, compared, _, fused = ([cell.strip() for cell in row if cell][1:] for row in rows)
    assert alone == [triplet]
    assert compared[:2] == [own, triplet]
    assert fused[0] == own
    assert f"`reread.npz`, which reaches {board.cells('reread')[0].split()[0]}," in learned
    assert tutorial.count(f"official score          {own}  ") == 2
