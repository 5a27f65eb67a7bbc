"""``matcher compare`` through its runner."""

import json

import pytest
from click.testing import CliRunner

from matcher.cli import main


@pytest.fixture
def files(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "answers.csv").write_text("Patch ID,Result\n1,7 10 20\n2,7 100 200\n3,8 0 0\n4,8 448 448\n")
    (tmp_path / "a.csv").write_text("Patch ID,Result\n1,7 10 20\n2,7 103 204\n3,7 0 0\n4,8 448 447\n")
    (tmp_path / "b.csv").write_text("Patch ID,Result\n1,7 10 20\n3,8 0 0\n4,9 448 448\n")
    (tmp_path / "other" / "a.csv").write_text(
        "Patch ID,Result\n1,7 10 20\n2,7 100 200\n3,8 0 0\n4,8 448 448\n"
    )
    (tmp_path / "groups.csv").write_text(
        "Patch ID,group,season\n1,city,wet\n2,city,dry\n3,sea,dry\n4,sea,wet\n"
    )
    (tmp_path / "difficulty.csv").write_text("Patch ID,cloud\n1,clear\n2,clear\n3,broken\n4,broken\n")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def test_table_json_and_picture(files):
    arguments = [files / "a.csv", files / "b.csv", "--answers", files / "answers.csv"]
    arguments += ["--groups", files / "groups.csv", "--difficulty", files / "difficulty.csv"]
    result = run(*arguments, "--json", files / "out.json", "--picture", files / "out.png")
    assert result.exit_code == 0, result.output
    assert "a - b" in result.stdout
    assert "Official score by cloud" in result.stdout
    assert "b: missing: 1 ids, counted as 0 (2)" in result.stdout
    data = json.loads((files / "out.json").read_text())
    assert list(data["parts"]) == ["group", "cloud"]
    assert list(data["parts"]["group"]) == ["city", "sea"]
    assert (files / "out.png").read_bytes().startswith(b"\x89PNG")


def test_json_on_stdout_and_three_submissions(files):
    paths = [files / "a.csv", files / "b.csv", files / "other" / "a.csv"]
    arguments = [*paths, "--answers", files / "answers.csv", "--groups", files / "groups.csv"]
    result = run(*arguments, "--json", "-", "--group-by", "season", "--seed", 4, "--resamples", 20)
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert list(data["scores"]) == [str(paths[0]), "b", str(paths[2])]
    assert data["scores"][str(paths[2])]["metrics"]["total"]["value"] == 1
    assert data["scores"]["b"]["seed"] == 4
    assert list(data["parts"]["group"]) == ["dry", "wet"]
    assert len(data["pairs"]) == 3
    assert "b: missing: 1 ids" in result.stderr


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["a.csv"], "give two or more"),
        (["a.csv", "a.csv"], "given twice"),
        (["a.csv", "none.csv"], "none.csv"),
        (["a.csv", "b.csv", "--difficulty", "none.csv"], "none.csv"),
        (["a.csv", "b.csv", "--picture", "out.bmp"], "out.bmp"),
        (["a.csv", "b.csv", "--group-by", "season"], "--groups"),
    ],
)
def test_errors_are_one_line_and_no_output(files, monkeypatch, extra, said):
    monkeypatch.chdir(files)
    result = run(*extra, "--answers", "answers.csv", "--json", "out.json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("matcher: ")
    assert said in result.stderr
    assert not (files / "out.json").exists()


def test_answers_are_wanted(files):
    result = run(files / "a.csv", files / "b.csv")
    assert result.exit_code == 2
    assert "--answers" in result.stderr
