"""``matcher score`` through its runner: what is printed, where, and with which exit code."""

import json

import pytest
from click.testing import CliRunner

from matcher.cli import main

ANSWERS = "Patch ID,Result\n1,7 10 20\n2,7 100 200\n3,8 0 0\n4,8 448 448\n"
SUBMISSION = "Patch ID,Result\n1,7 10 20\n2,7 103 204\n3,7 0 0\n4,8 448 447\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "answers.csv").write_text(ANSWERS)
    (tmp_path / "submission.csv").write_text(SUBMISSION)
    (tmp_path / "groups.csv").write_text("Patch ID,group\n1,city\n2,city\n3,sea\n4,sea\n")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["score", *map(str, arguments)])


def test_table_on_stdout(files):
    result = run(files / "submission.csv", files / "answers.csv", "--groups", files / "groups.csv")
    assert result.exit_code == 0, result.output
    assert "official score" in result.stdout
    assert "0.742 [" in result.stdout  # (3 - 6 / (128 sqrt 2)) / 4 = 0.7417
    assert "city" in result.stdout
    assert "few images" in result.stdout
    assert result.stderr == ""


def test_json_on_stdout_is_alone_there(files):
    (files / "submission.csv").write_text(SUBMISSION.replace("4,8", "5,8"))
    result = run(
        files / "submission.csv", files / "answers.csv", "--json", "-", "--seed", 3, "--resamples", 50
    )
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["missing"] == [4]
    assert data["extra"] == [5]
    assert (data["seed"], data["resamples"]) == (3, 50)
    assert "missing: 1 ids, counted as 0 (4)" in result.stderr
    assert "extra: 1 ids" in result.stderr


def test_json_to_a_file_beside_the_table(files):
    result = run(files / "submission.csv", files / "answers.csv", "--json", files / "score.json")
    assert result.exit_code == 0, result.output
    assert "official score" in result.stdout
    assert json.loads((files / "score.json").read_text())["metrics"]["image"]["value"] == 0.75


def test_swapped_answers(files):
    (files / "answers.csv").write_text("Patch ID,Result\n1,7 20 10\n2,7 200 100\n3,8 0 0\n4,8 448 448\n")
    plain = run(files / "submission.csv", files / "answers.csv", "--json", "-")
    swapped = run(files / "submission.csv", files / "answers.csv", "--json", "-", "--xy-order", "yx")
    assert json.loads(plain.stdout)["metrics"]["within_0"]["value"] == 0
    assert json.loads(swapped.stdout)["metrics"]["within_0"]["value"] == 0.25


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("submission.csv", SUBMISSION + "1,7 10 20\n", "1"),
        ("submission.csv", "Patch ID,Result\n99,7 10 20\n", "no patch id of the 4 answers"),
        ("answers.csv", "Patch ID,Result\n", "answers"),
        ("submission.csv", "Patch ID,Result\n1,seven\n", "submission.csv"),
        ("groups.csv", "Patch ID,group\n99,city\n", "groups"),
    ],
)
def test_errors_are_one_line_and_no_output(files, name, text, said):
    (files / name).write_text(text)
    out = files / "score.json"
    result = run(
        files / "submission.csv", files / "answers.csv", "--groups", files / "groups.csv", "--json", out
    )
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("matcher: ")
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert not out.exists()


def test_missing_file_and_folder_that_is_not_there(files):
    result = run(files / "none.csv", files / "answers.csv")
    assert result.exit_code == 1
    assert "none.csv" in result.stderr
    result = run(files / "submission.csv", files / "answers.csv", "--json", files / "none" / "score.json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "score.json" in result.stderr


def test_group_by_chooses_the_column(files):
    (files / "groups.csv").write_text("Patch ID,group,season\n1,city,wet\n2,city,dry\n3,sea,\n4,sea,dry\n")
    arguments = (files / "submission.csv", files / "answers.csv", "--json", "-", "--group-by", "season")
    result = run(*arguments, "--groups", files / "groups.csv")
    assert list(json.loads(result.stdout)["groups"]) == ["(no group)", "dry", "wet"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "--groups" in result.stderr
