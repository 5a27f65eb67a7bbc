"""What every command reads: all commands that open pictures, over one list of forms. The documents have the table."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from matcher.cli import main
from matcher.demo.sample import read_sample
from matcher.formats.registry import added
from tests.cli.forms import EIGHT_BIT, FORMS, OFFICIAL, save
from tests.plugin_packages import install_example

pytest.importorskip("rasterio")
pytest.importorskip("xarray")
pytest.importorskip("zarr")

EXAMPLE = Path(__file__).parents[2] / "docs" / "flatfiles"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference.md"
QUICK = ("GeoTIFF",)
TOP, LEFT = 40, 70


def run(*arguments, code=0):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == code, done.output + str(done.exception)
    return done.output


class Given:
    """Pictures and series in one form, written when first asked for."""

    def __init__(self, form, folder):
        self.form, self.folder = form, folder
        self.places = read_sample()[:2]

    def images(self):
        return self._once("i", [self.places[0].image[:192, :192]], "images")

    def patches(self):
        return self._once("p", [self.places[0].other[TOP : TOP + 64, LEFT : LEFT + 64]], "patches")

    def series(self):
        return [
            self._once(
                f"s{k}", [p.image, p.other, np.clip(p.image * 0.9, 1, 4095).astype(np.uint16)], "dates"
            )
            for k, p in enumerate(self.places)
        ]

    def _once(self, name, arrays, noun):
        path = self.folder / name
        if not path.exists():
            self.named = {**getattr(self, "named", {}), name: save(self.form, path, arrays, noun)}
        return self.named[name]

    def of_series(self):
        told = "8bit" if self.form in EIGHT_BIT else "signed" if self.form in OFFICIAL else "dn"
        bands = 3 if self.form in EIGHT_BIT else 4
        return ["--range", told, "--series-dates", 3, "--series-bands", bands]

    def matched(self):
        if not (self.folder / "s.csv").exists():
            run(
                "match",
                self.images(),
                self.patches(),
                "-o",
                self.folder / "s.csv",
                "--details",
                self.folder / "d.csv",
            )
        return self.folder / "s.csv"


def match(given):
    text = given.matched().read_text()
    x, y = re.search(r"^\d+,\d+ (\d+) (\d+)$", text, re.M).groups()
    assert abs(int(x) - LEFT) <= 3
    assert abs(int(y) - TOP) <= 3


def dry_run(given):
    assert "192 x 192" in run("match", given.images(), given.patches(), "--dry-run")


def run_directory(given):
    command = ("match", given.images(), given.patches(), "--run-dir", given.folder / "run")
    run(*command)
    run(*command, "-o", given.folder / "again.csv")
    assert (given.folder / "again.csv").read_text() == given.matched().read_text()


def locate(given):
    out = given.folder / "l.json"
    run("locate", given.patches(), "in", given.images(), "--pixels", "--scale", 1, "--json", out)
    assert '"rank": 1' in out.read_text()


def retrieve(given):
    run("retrieve", given.images(), given.patches(), "-o", given.folder / "r.csv")


def change(given):
    assert "\n" in run("change", given.images(), given.patches(), given.matched())


def report(given):
    given.matched()
    run("report", given.images(), given.patches(), given.folder / "d.csv", "-o", given.folder / "page.html")


def verify(given):
    assert "Probability" in run("verify", given.patches(), given.patches(), "-q")


def cut(given):
    out = given.folder / "cut"
    run("cut", *given.series(), "-o", out, "--patches", 3, "--form", "arrays", *given.of_series())
    assert (out / "answers.csv").exists()


def features(given):
    run("features", *given.series(), "-o", given.folder / "f.npz", *given.of_series())


def fit(given):
    run("fit", *given.series(), "-o", given.folder / "m.npz", "--rounds", 0, "--side", 64, *given.of_series())


COMMANDS = {
    "match": match, "--dry-run": dry_run, "--run-dir": run_directory, "locate": locate, "retrieve": retrieve,
    "change": change, "report": report, "verify": verify, "cut": cut, "features": features, "fit": fit,
}  # fmt: skip


def table():
    """The table of the documents."""
    rows = [f"| {form} |{' yes |' * len(COMMANDS)}" for form in FORMS]
    head = f"| form | {' | '.join(f'`{name}`' for name in COMMANDS)} |"
    return "\n".join([head, f"|---|{'---|' * len(COMMANDS)}", *rows])


@pytest.fixture
def packages(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("packages")
    added.cache_clear()
    install_example(folder, EXAMPLE, "flat_files", "matcher.readers")
    monkeypatch.syspath_prepend(folder)
    yield
    added.cache_clear()


def test_the_documents_have_the_table():
    assert table() in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[] if form in QUICK else [pytest.mark.slow]) for form in FORMS]
)
def test_every_command_reads_every_form(form, tmp_path, packages):  # noqa: ARG001 (an installed package)
    given = Given(form, tmp_path)
    failed = {}
    for name, command in COMMANDS.items():
        try:
            command(given)
        except AssertionError as error:
            failed[name] = str(error)[:600]
    assert not failed
