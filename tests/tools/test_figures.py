"""All figures by one command: its parts, and where what they print is laid."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = "figures"


def test_every_mark_of_a_document_has_its_part(tool):
    """And every part with a document has a mark there."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    marked = set()
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for name, number in re.findall(r"<!-- ([\w-]+) (\d+): written by tools/figures.py -->\n", text):
            assert f"<!-- end of {name} {number} -->" in text
            assert tool.PARTS[name].document == page.relative_to(ROOT).as_posix()
            marked.add(name)
    assert marked == {name for name, part in tool.PARTS.items() if part.document}


def test_every_command_can_be_run(tool, tmp_path):
    """The scripts are there, and the words that stand for folders and files are replaced."""
    for folder, name in (("places", "a"), ("more/bands3", "b")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{name}.npz").touch()
    for part in tool.PARTS.values():
        for command in part.commands:
            run = tool.words(command, Path("/w"), tmp_path, 4)
            assert run[0] == sys.executable
            assert run[1] == "-c" or Path(run[1]).exists(), command
            assert not re.search(r"\b(WORK|DATA|EVERY|PLACES|SERIES)\b", " ".join(run))
    series = tool.words("matcher fit SERIES", Path("/w"), tmp_path, 4)
    assert [Path(word).name for word in series[-2:]] == ["a.npz", "b.npz"]


def test_printed_tables_are_laid_between_their_marks(tool, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x 2: written by tools/figures.py -->\nold\n<!-- end of x 2 -->\nb\n")
    script = tmp_path / "made.py"
    script.write_text("print('head\\n| one |\\n\\n| two |\\n|---|\\n| 3 |\\ntail')")
    part = tool.Part("a trial", (str(script),), str(page))
    monkeypatch.setattr(tool, "PARTS", {"x": part})
    monkeypatch.setattr("sys.argv", ["figures.py", str(tmp_path / "work"), "--data", str(tmp_path)])
    tool.main()
    laid = "| two |\n|---|\n| 3 |"
    assert page.read_text() == (
        f"a\n<!-- x 2: written by tools/figures.py -->\n{laid}\n<!-- end of x 2 -->\nb\n"
    )
    assert "| one |" in (tmp_path / "work" / "figures" / "x.txt").read_text()
    script.write_text("print('| one |')")
    with pytest.raises(SystemExit, match=r"x: printed 1 tables, and page\.md has a place for 2"):
        tool.main()
    script.write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match=r"x: `.*made.py` failed"):
        tool.main()
    assert laid in page.read_text()


def test_a_part_that_is_none_is_told(tool, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["figures.py", str(tmp_path), "--only", "ladder,nought"])
    with pytest.raises(SystemExit, match="nought: no part; there are protocol, "):
        tool.main()


def test_tables_of_two_commands_are_two(tool, tmp_path, monkeypatch):
    command = "tools/figures.py --list"  # in place of which a table is printed
    monkeypatch.setitem(tool.PARTS, "x", tool.Part("a part", (command, command)))
    monkeypatch.setattr(tool, "words", lambda *_: [sys.executable, "-c", "print('| a |\\n|---|\\n| 1 |')"])
    text = tool.printed("x", tmp_path, tmp_path, 1)
    assert list(tool.printed_tables(text)) == [["| a |", "|---|", "| 1 |"]] * 2
