"""Evidence of other packages: the example of the protocol is found, matched, compared and fused; bad ones are told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matcher.errors import SettingsError
from matcher.evidence import Channel, channels, gradient_phase, kind
from matcher.evidence.plugins import load_plugin
from matcher.imagery import Roles
from matcher.settings import Settings, plugin_names
from tests.plugin_packages import install, install_example

EXAMPLE = Path(__file__).parents[2] / "docs" / "histograms"
GROUP = "matcher.evidence"
ROLES = Roles.of(("red", "green", "blue", "nir"))


@pytest.fixture
def packages(tmp_path, monkeypatch):
    load_plugin.cache_clear()
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    load_plugin.cache_clear()


def test_what_ships_comes_first_and_needs_no_search():
    assert kind("phase") is gradient_phase.phase
    assert Settings(evidence="magnitude,phase").evidence == ("phase", "magnitude")


def test_a_package_adds_evidence(packages):
    (packages / "mine.py").write_text(
        "from matcher.evidence import Channel\n"
        "def red(dn, valid, roles):\n"
        "    return [Channel('red', (dn[..., roles.red][None],), centred=True, weight=1.0)]\n"
    )
    install(packages, "mine", GROUP, "a-red = mine:red")
    assert plugin_names() == ("a-red",)
    assert Settings(evidence="a-red,phase").evidence == ("phase", "a-red")
    dn = np.random.default_rng(0).uniform(100, 900, (20, 30, 4)).astype(np.float32)
    (found,) = channels(dn, ROLES, ("a-red",))
    assert isinstance(found, Channel)
    assert found.stacks[0].flags.c_contiguous
    assert (found.stacks[0][0] == dn[..., 0]).all()
    assert (found.response, found.energy) == ((), 0)


def test_a_package_whitens_its_templates_and_knows_a_full_window(packages):
    (packages / "ours.py").write_text(
        "from matcher.evidence import Channel\n"
        "def edges(dn, valid, roles):\n"
        "    fields = (dn[..., :2] > 500).transpose(2, 0, 1)\n"
        "    return [Channel('edges', (fields,), False, 1.0, response=(0.5, 1.0), energy=2.0)]\n"
    )
    install(packages, "ours", GROUP, "edges = ours:edges")
    dn = np.random.default_rng(0).uniform(100, 900, (20, 30, 4)).astype(np.float32)
    (found,) = channels(dn, ROLES, ("edges",))
    assert found.stacks[0].dtype == np.float32
    assert (found.response, found.energy) == ((0.5, 1.0), 2.0)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('broken')", "does not load: broken"),
        ("def f(dn, valid, roles): return dn", "list of channels"),
        ("def f(dn, valid, roles): return []", "list of channels"),
        (
            "from matcher.evidence import Channel\n"
            "def f(dn, valid, roles): return [Channel('f', (dn[:5, :5, 0][None],), False, 1.0)]",
            "list of channels",
        ),
    ],
)
def test_evidence_that_does_not_work(packages, code, said):
    name = f"bad{abs(hash(code))}"
    (packages / f"{name}.py").write_text(code)
    install(packages, name, GROUP, f"f = {name}:f")
    with pytest.raises(SettingsError, match=said):
        channels(np.ones((20, 20, 4), np.float32), ROLES, ("f",))


def test_evidence_that_is_missing_or_doubled(packages):
    with pytest.raises(SettingsError, match="choose from"):
        Settings(evidence="nothing")
    with pytest.raises(SettingsError, match="there are: none"):
        load_plugin("nothing")
    install(packages, "one", GROUP, "f = one:f")
    install(packages, "two", GROUP, "f = two:f")
    with pytest.raises(SettingsError, match="one package"):
        load_plugin("f")


@pytest.mark.slow
def test_the_worked_example(tmp_path):
    """As docs/protocol.md has it: installed, matched alone, compared, and fused with the matcher's own ranking."""
    install_example(tmp_path, EXAMPLE, "local_histograms", GROUP)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }

    def run(*arguments):
        command = [sys.executable, "-m", "matcher.cli", *map(str, arguments)]
        done = subprocess.run(
            [command[0], "-c", "from matcher.cli import main; main()", *command[3:]],
            capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    from matcher.demo.sample import read_sample
    from matcher.formats.submission import write_submission
    from matcher.placements import Placements

    places = read_sample()[:4]
    np.savez(tmp_path / "images.npz", **{str(k): place.image[:128, :128] for k, place in enumerate(places)})
    corners = [(8, 16), (40, 30)]
    patches = [place.other[y : y + 64, x : x + 64] for place in places for y, x in corners]
    np.save(tmp_path / "patches.npy", np.stack(patches))
    y, x = np.array(corners * len(places)).T
    write_submission(tmp_path / "answers.csv", Placements(np.arange(8), np.repeat(np.arange(4), 2), x, y))
    base = ["images.npz", "patches.npy", "-q"]
    run("match", *base, "--evidence", "histograms", "--search", "exhaustive", "-o", "histograms.csv")
    run("match", *base, "-o", "matcher.csv")
    text = run(
        "compare", "histograms.csv", "matcher.csv", "--answers", "answers.csv", "--json", "compared.json"
    )
    assert "Paired differences" in text
    data = json.loads((tmp_path / "compared.json").read_text())
    assert "histograms" in json.dumps(data)
    answers = ["--answers", "answers.csv"]
    run("retrieve", *base, *answers, "--evidence", "histograms", "--export", "theirs.npz")
    fused = run("retrieve", *base, *answers, "--scores", "theirs.npz")
    assert "the other scores add" in fused
