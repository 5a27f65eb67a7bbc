"""The documents: what the site is made of is whole, their commands hold, the walk-through runs."""

import configparser
import importlib.util
import inspect
import itertools
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import matcher
from matcher.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def test_commands_and_options_of_the_guide_exist():
    helps = {name: CliRunner().invoke(main, [name, "--help"]).output for name in COMMANDS}
    lines = [line for block in re.findall(r"```\n(.*?)```", GUIDE, re.S) for line in block.splitlines()]
    called = [line.split()[1] for line in lines if line.startswith("matcher ")]
    assert {"match", "score", "report", "locate"} <= set(called)
    assert set(called) <= set(COMMANDS)
    everything = "\n".join([*helps.values(), CliRunner().invoke(main, ["--help"]).output])
    for option in set(re.findall(r"`(--[a-z-]+)", GUIDE)):
        assert option in everything, option


def test_options_that_documents_give_to_a_command_are_its_own():
    """As in ``align --field``, in all documents and the README."""
    options = {
        name: {text for param in main.get_command(click.Context(main), name).params for text in param.opts}
        for name in COMMANDS
    }
    found = 0
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8")
        spans = re.findall(r"`(?:matcher )?([a-z]+) ([^`]*)`", text)
        for name, words in (*spans, *re.findall(r"^matcher ([a-z]+) (.*)$", text, re.M)):
            if name in COMMANDS and not isinstance(main.get_command(click.Context(main), name), click.Group):
                for option in re.findall(r"(?<!\S)--[a-z-]+", words.split(" #")[0]):
                    assert option in options[name], f"{path.name}: {name} {option}"
                    found += 1
    assert found > 20


def test_files_of_the_guide_exist():
    for path in re.findall(r"`(docs/[\w.]+|tools/[\w.]+)", GUIDE):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"python ((?:docs|tools)/[\w.]+)", GUIDE):
        assert (ROOT / path).exists(), path


@pytest.mark.skipif(importlib.util.find_spec("rasterio") is None, reason="needs the extra geo")
@pytest.mark.slow
def test_walkthrough(tmp_path):
    command = [sys.executable, str(ROOT / "docs" / "walkthrough.py"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=True)
    assert "noise.tif: in none of these scenes" in done.stdout
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"places.geojson", "places.csv", "places.png", "found"} <= made


def pages():
    """The hook that makes pages of the site, loaded as mkdocs loads it."""
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "tools" / "site_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_command_and_option():
    text = pages().commands()
    for name in COMMANDS:
        part = text.split(f"## matcher {name}\n", 1)[1].split("\n## ", 1)[0]
        helped = CliRunner().invoke(main, [name, "--help"]).output
        for option in re.findall(r"^  (?:-\w, )?(--[a-z-]+)", helped, re.M):
            assert option in part, (name, option)


def test_the_reference_has_every_public_name():
    text = pages().python()
    for name in matcher.__all__:
        assert re.search(rf"^::: matcher\..*\.{name}$", text, re.M), name
    for path in re.findall(r"^::: (\S+)", text, re.M):
        module, _, name = path.rpartition(".")
        assert importlib.util.find_spec(module), path
        held = importlib.import_module(module)
        assert hasattr(held, name) or importlib.util.find_spec(path), path


def test_the_reference_has_what_public_functions_take_and_hand_back():
    """Classes of options that docstrings name, and of results."""
    held = set(re.findall(r"^::: \S+\.(\w+)$", pages().python(), re.M))
    for name in matcher.__all__:
        public = getattr(matcher, name)
        if inspect.isfunction(public):
            told = str(inspect.signature(public).return_annotation)
            back = set(re.findall(r"matcher\.[\w.]+\.([A-Z]\w+)", told))
            taken = set(re.findall(r"[Ff]ields of `(?:[\w.]+\.)?(\w+)`", public.__doc__))
            assert back | taken <= held | {"Source", "OfficialSeries"}, name


def test_what_a_page_would_fetch_is_found():
    page = (
        '<a href="https://a.org">a</a><img src="b.png"><script src="https://c.org/x.js"></script>'
        '<link rel="stylesheet" href="//d.org/x.css"><link rel="canonical" href="https://e.org/">'
    )
    assert [re.search(r"\w\.org", tag).group() if "org" in tag else tag for tag in pages().fetched(page)] == [
        "<script src=\"https://", "<link rel=\"stylesheet\" href=\"//",
    ]  # fmt: skip


def test_every_document_has_its_place_on_the_site():
    given = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    made = {"commands.md", "python.md", "changes.md"}
    named = set(re.findall(r"[\w/]+\.md$", given, re.M)) - made
    assert named == {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


def held(page):
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def test_the_house_in_the_readme_is_that_of_the_contract():
    """Every room and file of the package in the table, and a row below those that it may import from."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    layers = config["importlinter:contract:rooms"]["layers"].split("\n")[::-1]
    floor = {name.strip(): k for k, layer in enumerate(layers) for name in layer.split("|") if name.strip()}
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| room, ")[1].split("\n\n")[0]
    rows = [re.findall(r"`(\w+)/?`", line.split("|")[1]) for line in table.splitlines()[2:]]
    package = Path(matcher.__file__).parent
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or path.is_dir()}
    rooms -= {"__init__", "__main__", "__pycache__", "data"}
    assert sorted(name for row in rows for name in row) == sorted(rooms)
    floors = [[floor[name] for name in row] for row in rows]
    for above, below in itertools.pairwise(floors):
        assert max(above) <= min(below)


def test_what_the_readme_says_of_the_challenge_is_measured():
    said = re.search(
        r"\(([\d,]+) patches, (\d+) images\) takes (\d+) s on two cores, (\d+) times", held("README.md")
    )
    speed = held("docs/speed.md")
    seconds = re.search(r"\| whole \| ([\d,]+); of processors", speed)
    times = re.search(r"pairs a second are (\d+) times as many as OpenCV's", speed)
    patches = re.search(r"simulated challenge, ([\d,]+) patches among (\d+) images", speed)
    assert said.groups() == (*patches.groups(), seconds[1], times[1])


def figures(page, part):
    """The rows between the marks of a part, by their first cell: what stands in the others, without intervals."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = re.search(rf"<!-- {part}: .*?<!-- end of {part} -->", text, re.S)[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {cells[0]: [re.sub(r" \[.*", "", cell) for cell in cells[1:]] for cells in rows}


def test_figures_of_one_round_are_the_same_in_every_table():
    """All patches and each group of round 0: the rounds, the sizes, the numbers that ship; the README's two."""
    rounds, sizes = figures("docs/accuracy.md", "rounds"), figures("docs/accuracy.md", "size")
    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    fitted = dict(re.findall(r"^\| (\d+) px \| no place left out \| (.*) \|$", text, re.M))
    for side in ("64", "32"):
        told = rounds[f"round 0, {side} px"]
        assert sizes[side][:7] == told, (
            f"{side} px: made at different times? tools/figures.py WORK --only rounds,size"
        )
        assert fitted[side].split(" | ") == told[:5], (
            f"{side} px: tools/figures.py WORK --only rounds,left-out"
        )
    said = re.search(r"rounds it reaches ([\d.]+), and ([\d.]+) with patches of 32 px", held("README.md"))
    assert said.groups() == (rounds["4 rounds, 64 px"][0], rounds["round 0, 32 px"][0])


def test_peers_are_the_same_in_both_documents():
    short, long = figures("README.md", "peers"), figures("docs/accuracy.md", "peers")
    names = [name for name in short if name not in ("other methods", "---")]
    assert len(names) >= 7
    for name in names:
        assert short[name] == [*long[name][:5], long[name][7]]
