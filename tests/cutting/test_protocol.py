"""The evaluation protocol: what is recorded is what the commands make, and a difference is told."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import COMMANDS, main
from tests.places import DATA, needs_data

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "protocol.py"
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("protocol_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["protocol_tool"] = module
    spec.loader.exec_module(module)
    return module


def test_record_and_document_name_every_challenge(tool):
    record = json.loads((ROOT / "docs" / "protocol.json").read_text())
    assert record["protocol"] == tool.VERSION
    assert set(record["sha256"]) == set(tool.CHALLENGES)
    assert f"version {tool.VERSION}" in TEXT
    for name, challenge in tool.CHALLENGES.items():
        assert f"`{name}`" in TEXT
        assert " ".join(challenge.command[1:]) in TEXT, name


def test_commands_and_options_of_the_documents_exist():
    text = TEXT + (ROOT / "docs" / "baseline.md").read_text(encoding="utf-8")
    helps = {name: CliRunner().invoke(main, [name, "--help"]).output for name in COMMANDS}
    for block in re.findall(r"```\n(.*?)```", text, re.S):
        for line in block.splitlines():
            if line.startswith("matcher "):
                verb = line.split()[1]
                for option in re.findall(r"(?<= )--?[a-z][a-z-]*", line):
                    assert option in helps[verb], line
            for path in re.findall(r"python ((?:docs|tools)/[\w./]+)", line):
                assert (ROOT / path).exists(), line


def test_checksums_are_of_contents(tool, tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    for folder, save in ((a, np.savez), (b, np.savez_compressed)):
        folder.mkdir()
        save(folder / "pairs.npz", first=np.arange(5), same=np.ones(5, bool))
        (folder / "answers.csv").write_text("Patch ID,Result\n0,0 1 2\n")
        (folder / "manifest.json").write_text(str(folder))
    assert tool.checksums(a) == tool.checksums(b)
    assert set(tool.checksums(a)) == {"pairs.npz", "answers.csv"}
    np.savez(b / "pairs.npz", first=np.arange(5), same=np.array([1, 1, 1, 1, 0], bool))
    assert tool.checksums(a)["pairs.npz"] != tool.checksums(b)["pairs.npz"]


def test_rankings_are_told_in_one_table(tool, tmp_path, monkeypatch):
    """Images and windows; beside them the example's ranking and the fused one, where the example is installed."""

    def worth(value):
        return {"metrics": {key: {"value": value} for key in tool.FIGURES}}

    def retrieve(arguments):
        if "--scores" in arguments:
            bits = {"own": 0.1, "other": 2.0, "fused": 0.0625}
            scores = {"matcher": worth(1), "other": worth(0.5), "fused": worth(0.9)}
            return json.dumps({"scores": scores, "fusion": {"bits": bits}})
        return json.dumps(worth(0.25 if "--stride" in arguments else 1))

    monkeypatch.setattr(tool, "run", retrieve)
    monkeypatch.setattr(tool, "plugin_names", lambda: [])
    assert tool.rankings("tiny", tmp_path / "tiny")[0] == ["`tiny`: true one first", "1.000", "0.250"]
    monkeypatch.setattr(tool, "plugin_names", lambda: [tool.EXAMPLE])
    rows = tool.rankings("tiny", tmp_path / "tiny")
    assert rows[-2] == ["mAP", "1.000", "0.250", "0.500", "0.900"]
    assert rows[-1] == ["surprise, bits a patch", "0.100", "", "2.000", "0.062"]


def run(*arguments):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT, check=False)


@pytest.mark.slow
def test_the_simulated_trial_is_what_is_recorded_and_a_change_is_told(tmp_path):
    done = run(tmp_path, "--only", "simulated-12")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("same") == 3
    with open(tmp_path / "simulated-12" / "answers.csv", "a") as file:
        file.write("96,0 0 0\n")
    done = run(tmp_path, "--only", "simulated-12")
    assert done.returncode == 1
    assert done.stdout.count("DIFFERENT") == 1
    shutil.rmtree(tmp_path / "simulated-12")


def test_missing_places_are_told(tool, tmp_path):
    with pytest.raises(SystemExit, match=r"no places; make them by tools/places\.py"):
        tool.make("real-64", tool.CHALLENGES["real-64"], tmp_path / "real-64", tmp_path)


class TestRealPlaces:
    pytestmark = needs_data

    def test_what_is_cut_is_what_is_recorded(self, tmp_path):
        done = run(tmp_path, "--only", "real-split,real-trial", "--data", DATA)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "DIFFERENT" not in done.stdout
