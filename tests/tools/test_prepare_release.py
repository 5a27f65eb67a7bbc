"""The copy of a checkout that is published: its links and metadata, and what is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import prepare_release
import pytest

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
TEXT = "![a](docs/a.png) [b](docs/b.md#part) [c](https://x.org/c) [d](#here) [![e](docs/e.png)](docs/e.md)"
CONFIG = "[metadata]\nname = some\nauthor = The matcher authors\nlicense = MIT\n"


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "root"
    (root / "matcher").mkdir(parents=True)
    (root / "matcher" / "version.py").write_text('VERSION = "1.2.3"\n')
    (root / "README.md").write_text(TEXT)
    (root / "setup.cfg").write_text(CONFIG)
    (root / "stray.txt").write_text("not tracked")
    for command in (["init", "-q"], ["add", "matcher", "README.md", "setup.cfg"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return root


def test_copy(checkout, tmp_path):
    prepare_release.prepare("owner/name", "v1.2.3", tmp_path / "out", checkout)
    out = tmp_path / "out"
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == {
        "README.md",
        "setup.cfg",
        "matcher/version.py",
    }
    raw, blob = (
        "https://raw.githubusercontent.com/owner/name/v1.2.3",
        "https://github.com/owner/name/blob/v1.2.3",
    )
    assert (out / "README.md").read_text() == (
        f"![a]({raw}/docs/a.png) [b]({blob}/docs/b.md#part) [c](https://x.org/c) [d](#here) "
        f"[![e]({raw}/docs/e.png)]({blob}/docs/e.md)"
    )
    config = (out / "setup.cfg").read_text()
    assert "url = https://github.com/owner/name\n" in config
    assert "author_email = The matcher authors <owner@users.noreply.github.com>\n" in config
    assert config.index("author = ") < config.index("license = ")
    assert (checkout / "setup.cfg").read_text() == CONFIG


@pytest.mark.parametrize(
    ("repository", "tag", "said"), [("owner/name", "v1.2.4", "says 1.2.3"), ("owner", "v1.2.3", "OWNER/NAME")]
)
def test_refused(checkout, tmp_path, repository, tag, said):
    with pytest.raises(SystemExit, match=said):
        prepare_release.prepare(repository, tag, tmp_path / "out", checkout)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(checkout, tmp_path):
    with pytest.raises(SystemExit, match="there already"):
        prepare_release.prepare("owner/name", "v1.2.3", tmp_path, checkout)


@pytest.mark.skipif(
    not Path(prepare_release.__file__).parents[1].joinpath("matcher", "version.py").is_file(),
    reason="needs the package beside the tools",
)
def test_command_line(tmp_path):
    command = [sys.executable, prepare_release.__file__, "owner/name", "v0", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "matcher/version.py says" in done.stderr
