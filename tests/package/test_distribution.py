"""The distribution: its one name, what its messages tell to install, and its other copies of the version."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

import matcher
from matcher.version import DISTRIBUTION, VERSION, install_command

ROOT = Path(__file__).parents[2]
SOURCES = sorted(Path(matcher.__file__).parent.rglob("*.py"))
pytestmark = pytest.mark.skipif(not (ROOT / "setup.cfg").is_file(), reason="needs a checkout or the sdist")


@pytest.fixture(scope="module")
def config():
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(ROOT / "setup.cfg", encoding="utf-8")
    return parsed


def test_name_is_written_once(config):
    assert config["metadata"]["name"] == DISTRIBUTION
    others = [path.name for path in SOURCES if DISTRIBUTION in path.read_text(encoding="utf-8")]
    assert others == ["version.py"]


def test_messages_name_the_distribution_and_an_extra_that_it_has(config):
    assert install_command("geo") == f"pip install '{DISTRIBUTION}[geo]'"
    extras = set(config["options.extras_require"])
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "matcher[" not in text, path
        assert set(re.findall(r"install_command\(['\"](\w+)", text)) <= extras, path
        assert set(re.findall(r"\(extra (\w+)\)", text)) <= extras, path


def test_documents_install_no_other_project():
    """On package indexes `matcher` is another project's."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.*"))]:
        if path.suffix in (".md", ".py", ".toml"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"pip install [^\n&]*['\" ]matcher(?![\w./-])", text), path
            assert not re.search(r"dependencies = \[[^]]*\"matcher[\"\[>=]", text), path


def test_extras_that_name_the_distribution_name_extras_it_has(config):
    extras = config["options.extras_require"]
    named = re.findall(rf"{DISTRIBUTION}\[(\w+)\]", "\n".join(extras.values()))
    assert set(named) <= set(extras)


def test_version_of_the_citation():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", text, re.M).group(1) == VERSION


def test_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "matcher", "--version"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout == f"matcher, version {VERSION}\n"


def test_recipe_asks_for_what_the_distribution_asks_for(config):
    """By the other index's names, with the same bounds."""
    text = (ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
    assert f"  name: {DISTRIBUTION}\n" in text
    assert f'  version: "{VERSION}"\n' in text
    needed = config["options"]["install_requires"].split("\n")
    bounds = {}  # the last one of a package, which is of some systems, is the strictest; the recipe is for all
    for line in filter(None, needed):
        requirement = re.sub(r";.*", "", line).strip().replace("opencv-python", "py-opencv")
        bounds[re.match(r"[\w-]+", requirement)[0]] = requirement
    wanted = set(bounds.values())
    run = text[text.index("  run:\n") : text.index("  run_constraints:")]
    asked = {line.split("#")[0].strip("- ").replace(" ", "") for line in run.splitlines()[1:]}
    assert asked == wanted | {f"python{config['options']['python_requires']}"}


def test_classifiers_name_what_the_workflow_tests(config):
    """Every Python that the distribution claims is a row of the public matrix, and the other way round."""
    claimed = set(re.findall(r"Python :: (3\.\d+)", config["metadata"]["classifiers"]))
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    if not workflow.is_file():
        pytest.skip("the sdist has no workflow")
    row = re.search(r"python: \[(.*)\]", workflow.read_text(encoding="utf-8")).group(1)
    assert set(re.findall(r"3\.\d+", row)) == claimed
