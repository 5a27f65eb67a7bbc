"""What all commands share: --config, --verbose, --show-versions, completion; and that options are named alike."""

import os
import subprocess
import sys

import click
import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import COMMANDS, main
from matcher.settings import Settings
from tests.runs_common import pictures

ANSWERS = "Patch ID,Result\n1,7 10 20\n2,7 100 200\n"


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "answers.csv").write_text(ANSWERS)
    return tmp_path


def score(files, text, *more):
    (files / "c.toml").write_text(text)
    return run("score", files / "answers.csv", files / "answers.csv", "--config", files / "c.toml", *more)


def seed_of(result):
    import json

    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["seed"]


def test_config_sets_defaults_and_the_command_line_goes_first(files):
    assert seed_of(score(files, 'json = "-"\nresamples = 9\n[score]\nseed = 5\n')) == 5
    assert seed_of(score(files, 'seed = 4\n[score]\njson = "-"\n')) == 4
    assert seed_of(score(files, 'json = "-"\n[score]\nseed = 5\n', "--seed", 6)) == 6
    assert seed_of(score(files, 'json = "-"\nmin_confidence = 0.2\n[match]\neffort = 2\n')) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[score]\nseeds = 5\n", "c.toml, line 2: score has no option 'seeds'"),
        ("\n# a word\nseeds = 5\n", "c.toml, line 3: no command has an option 'seeds'"),
        ("seed = 1\n[scores]\nseed = 5\n", "c.toml, line 2: [scores] is no command"),
        ("seed = \n", "is not TOML: Invalid value (at line 1, column 8)"),
        (
            "[match]\nseed = 1\n[score]\n\n  seed = 'many'\n",
            "c.toml, line 5: seed: 'many' is not a valid integer",
        ),
        ("seed = -1\n", "c.toml, line 1: seed: -1 is not in the range"),
        ('[score]\n"seed" = -3\n', "c.toml, line 2: seed: -3"),
    ],
)
def test_config_that_is_wrong(files, text, said):
    result = score(files, text)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("program", ["matcher", "python -m matcher", "/a folder/matcher"])
def test_config_is_read_whatever_the_program_is_called(files, program):
    (files / "c.toml").write_text('[score]\njson = "-"\nseed = 5\n')
    given = [
        "score",
        str(files / "answers.csv"),
        str(files / "answers.csv"),
        "--config",
        str(files / "c.toml"),
    ]
    assert seed_of(CliRunner().invoke(main, given, prog_name=program)) == 5


def test_every_option_has_a_help_text():
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        for param in command.params:
            if isinstance(param, click.Option):
                assert param.help, (name, param.opts)
                assert param.help.rstrip(" ]")[-1] in ".)]…0123456789abcdefghijklmnopqrstuvwxyz", (
                    name,
                    param.help,
                )


def test_config_that_is_not_there(files):
    result = run("score", files / "answers.csv", files / "answers.csv", "--config", files / "no.toml")
    assert result.exit_code != 0
    assert "no.toml: cannot be read" in result.stderr


def test_lists_in_a_config_are_names_with_commas(files):
    from matcher.cli.common import with_common

    seen = {}

    @click.command("match")
    @click.option("--evidence")
    @click.option("-o", "--output", "outputs", multiple=True)
    def command(**options):
        seen.update(options)

    (files / "c.toml").write_text('[match]\nevidence = ["phase", "phase2"]\noutput = ["a.csv", "b.csv"]\n')
    result = CliRunner().invoke(with_common(command), ["--config", str(files / "c.toml")])
    assert result.exit_code == 0, result.output
    assert seen == {"evidence": "phase,phase2", "outputs": ("a.csv", "b.csv")}


def test_verbose_shows_where_an_error_arose(files):
    arguments = ("score", files / "none.csv", files / "answers.csv")
    assert "Traceback" not in run(*arguments).output
    assert "Traceback" in run(*arguments, "-v").output


def test_show_versions():
    result = run("--show-versions")
    assert result.exit_code == 0
    for name in ("matcher:", "Python:", "numpy:", "numba:", "rasterio:"):
        assert name in result.stdout


def test_completion_of_names_with_commas():
    for typed, offered in (("", {"phase", "ratio"}), ("phase,ra", {"phase,ratio"}), ("phase,x", set())):
        words = f"matcher match --evidence {typed}"
        env = {"COMP_WORDS": words, "COMP_CWORD": "3", "_MATCHER_COMPLETE": "bash_complete"}
        result = CliRunner().invoke(main, [], env=env, prog_name="matcher")
        said = {line.partition(",")[2] for line in result.stdout.splitlines()}
        assert offered <= said, result.output
        assert said or not offered
    assert "phase,phase" not in said


def test_completion():
    words = {"COMP_WORDS": "matcher lo", "COMP_CWORD": "1", "_MATCHER_COMPLETE": "bash_complete"}
    code = "from matcher.cli import main; main(prog_name='matcher')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "plain,locate"
    words |= {"COMP_WORDS": "matcher locate --min", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "plain,--min-confidence"


def test_options_are_named_alike():
    """An option of one name takes one kind of value and has one default everywhere."""
    context = click.Context(main)
    seen = {}
    for name in COMMANDS:
        command = main.get_command(context, name)
        for param in command.params:
            if isinstance(param, click.Option) and not param.required:
                key = max(param.opts, key=len)
                kind = (param.type.name, param.is_flag)
                seen.setdefault(key, {}).setdefault(kind, []).append(name)
    mixed = {key: kinds for key, kinds in seen.items() if len(kinds) > 1}
    assert set(mixed) <= {"--json"}, (
        mixed
    )  # a file where a command prints a table of its own, a switch in locate


def test_match_options_are_settings():
    command = main.get_command(click.Context(main), "locate")
    names = {param.name for param in command.params}
    assert set(Settings.__dataclass_fields__) <= names


class TestTerminal:
    """What a match says on its way: a user's words; the levels of the search with -v alone."""

    def test_match(self, tmp_path):
        images, patches = pictures(patches=3)
        np.savez(tmp_path / "i.npz", images=np.stack(images))
        np.savez(tmp_path / "p.npz", patches=np.stack(patches))
        said = {}
        for flag in ("--xy-order=xy", "-v", "-q"):
            result = run("match", tmp_path / "i.npz", tmp_path / "p.npz", "-o", tmp_path / "s.csv", flag)
            assert result.exit_code == 0, result.output
            said[flag] = result.stderr
        plain, verbose, quiet = said.values()
        assert "matcher: searching 3 patches in 3 images\n" in plain
        assert "level" not in plain
        assert "level index: 3 targets" in verbose
        assert "level coarse: 3 patches" in verbose
        assert quiet == ""

    @pytest.mark.parametrize(
        ("counts", "some", "search", "words"),
        [
            ((1, 1200), None, "exhaustive", "searching 1 patch in 1,200 images, every pixel"),
            ((2, 1), None, "pyramid", "searching 2 patches in 1 image"),
            ((72, 6), 72, "pyramid", "searching 72 patches in 6 images"),
            ((72, 6), 8, "pyramid", "searching 8 of 72 patches in 6 images"),
        ],
    )
    def test_words(self, caplog, counts, some, search, words):
        from types import SimpleNamespace

        from matcher.matching.job import tell_search

        job = SimpleNamespace(
            patches=range(counts[0]), targets=range(counts[1]), settings=Settings(search=search)
        )
        with caplog.at_level("INFO", "matcher"):
            tell_search(job, some)
        assert caplog.messages == [words]

    def test_compiling_is_told_once(self, caplog):
        from matcher.kernels import jit

        class Empty:
            def load_overload(self, _signature, _context):
                return None

        jit._tell_compiling.cache_clear()
        with caplog.at_level("INFO", "matcher"):
            for _ in range(2):
                assert jit._Forgiving(Empty()).load_overload((), None) is None
        assert [message for message in caplog.messages if "compiling for this processor" in message] == [
            "compiling for this processor, which is kept for later runs: a first one takes up to a minute more"
        ]
