"""Options that do nothing are said, and those that do something are not."""

import dataclasses

import click
import numpy as np
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import COMMANDS, main
from matcher.cli.idle import RULES
from matcher.cli.locate_text import table
from matcher.locating.run import weighed
from tests.cli.test_paths import commands, world

__all__ = ["world"]

MATCH = ["match", "none.npy", "none.npy"]
LOCATE = ["locate", "none.tif", "none.tif"]
CUT = ["cut", "none.npy", "-o", "out"]
CASES = [  # without effect, what is said, and with effect
    ([*MATCH, "-o", "s.csv", "--effort", "2"], "--effort", ["--search", "exhaustive"], []),
    ([*LOCATE, "--effort", "2"], "--effort", ["--search", "exhaustive"], []),
    ([*MATCH, "--run-dir", "run", "--threads", "2"], "--threads", ["--workers", "2"], []),
    ([*MATCH, "--run-dir", "run", "--patience", "9"], "--patience", [], ["--workers", "2"]),
    ([*MATCH, "--run-dir", "run", "--patience", "9"], "--patience", [], ["--scheduler", "tcp://none"]),
    ([*MATCH, "-o", "s.csv", "--shard-size", "9"], "--shard-size", [], ["--run-dir", "run"]),
    ([*MATCH, "--run-dir", "run", "--xy-order", "yx"], "--xy-order", [], ["-o", "s.csv"]),
    (LOCATE, "--offset", ["--offset", "-1000"], []),
    (["change", "none.npy", "none.npy", "--forms", "npz"], "--forms", [], ["-o", "out"]),
    (["change", "none.npy", "none.npy", "--xy-order", "yx"], "--xy-order", [], ["none.csv"]),
    (["retrieve", "none.npy", "none.npy", "-o", "s.csv", "--xy-order", "yx"], "--xy-order", [], ["--answers", "a"]),
    (["retrieve", "none.npy", "none.npy", "-o", "s.csv", "--evidence", "phase"], "--evidence", ["--from", "r.npz"], []),
    (["retrieve", "none.npy", "none.npy", "-o", "s.csv", "--threads", "1"], "--threads", ["--from", "r.npz"], []),
    ([*CUT, "--gap", "1,2", "--sky", "clear"], "--gap, --sky", ["--pairs", "2"], []),
    ([*CUT, "--largest", "256"], "--largest", ["--pairs", "2"], []),
    (["features", "none.npy", "--window", "8", "--stride", "4"], "--window, --stride", [], ["-o", "f.npz"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "options", "idle", "of_use"), CASES)
def test_what_does_nothing_is_said(arguments, options, idle, of_use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main, [*arguments, *idle]).stderr
    assert f"warning: {options} ha" in said
    assert "no effect" in said
    assert "no effect" not in CliRunner().invoke(main, [*arguments, *of_use]).stderr or options == "--offset"


def test_every_rule_is_tried_and_names_what_there_is():
    tried = {(arguments[0], name) for arguments, names, *_ in CASES for name in names.split(", ")}
    for rule in RULES:
        for command in rule.commands:
            params = {param.name: max(param.opts, key=len) for param in commands()[command].params}
            assert set(rule.options) <= set(params)
            assert any((command, params[option]) in tried for option in rule.options), rule


def test_a_file_of_options_may_name_what_one_command_does_not_need(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.toml").write_text("shard-size = 7\npatience = 9\n")
    done = CliRunner().invoke(main, [*MATCH, "-o", "s.csv", "--config", "all.toml"])
    assert "no effect" not in done.stderr
    assert "no such file" in done.stderr


@pytest.mark.slow
def test_defaults_are_not_spoken_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in COMMANDS:
        needed = [
            param.name
            for param in commands()[name].params
            if isinstance(param, click.Argument) and param.required
        ]
        done = CliRunner().invoke(main, [name, *needed])
        assert "no effect" not in done.stderr


class TestLocate:
    @pytest.fixture(autouse=True)
    def inside(self, world, monkeypatch):
        monkeypatch.chdir(world)

    def test_the_word_between_that_was_forgotten(self):
        """A scene among the chips is told, whether a place is found or the plan comes to nothing."""
        for files in (["chips/T31.tif", "scenes/T31.tif", "scenes/T31.tif"], ["chips", "scenes", "more"]):
            done = CliRunner().invoke(main, ["locate", *files, "-q"])
            assert "the word `in` between" in done.stderr
            assert "Traceback" not in done.output

    @pytest.mark.parametrize(
        "files",
        [
            ["chips/T31.tif", "more/7.tif", "scenes/T31.tif"],
            ["chips/T31.tif", "scenes/T31.tif"],
            ["chips/T31.tif", "in", "scenes/T31.tif"],
            ["chips/T31.tif", "scenes/T31.tif", "in", "scenes"],
        ],
    )
    def test_nothing_is_said_of_the_word_otherwise(self, files):
        assert "`in`" not in CliRunner().invoke(main, ["locate", *files]).stderr

    def test_rotations_of_chips_that_are_sure(self):
        done = CliRunner().invoke(main, ["locate", "chips/T31.tif", "scenes/T31.tif", "--rotations", "-5,5"])
        assert "1 of 1 chips are sure and are not turned" in done.stderr

    def test_a_confidence_that_is_less_than_1_is_not_shown_as_1(self):
        """Nor is a chip called weak that is refused though nothing speaks against it."""
        found = matcher.locate("chips/T31.tif", "scenes/T31.tif", threads=1)[0]
        nearly = dataclasses.replace(found, confidence=0.99996)
        assert "0.999" in table([nearly])
        assert "1.000" not in table([nearly])
        assert "1.000" in table([dataclasses.replace(found, confidence=1.0)])
        refused = table([dataclasses.replace(nearly, rank=0, reason="")])
        assert "0.999" in refused
        assert "less sure than asked for" in refused

    def test_a_refused_chip_that_is_sure_is_not_called_weak(self, monkeypatch):
        monkeypatch.setattr(
            "matcher.locating.run.weighed",
            lambda planned, hits: dataclasses.replace(weighed(planned, hits), sure=0.99996),
        )
        refused = matcher.locate("chips/T31.tif", "scenes/T31.tif", threads=1, min_confidence=1)[0]
        assert (refused.rank, refused.reason) == (0, "")


def test_scores_are_read_before_anything_is_ranked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.save("i.npy", rng.integers(100, 3000, (2, 40, 40, 4), dtype=np.uint16))
    np.save("p.npy", np.load("i.npy")[:, 4:24, 5:25])
    (tmp_path / "a.csv").write_text("Patch ID,Result\n0,0 5 4\n1,1 5 4\n")
    (tmp_path / "bad.npz").write_text("this is no archive\n")
    monkeypatch.setattr("matcher.ranking.run.retrieve", None)
    done = CliRunner().invoke(
        main, ["retrieve", "i.npy", "p.npy", "--answers", "a.csv", "--scores", "bad.npz"]
    )
    assert done.exit_code == 1
    assert "bad.npz" in done.stderr
