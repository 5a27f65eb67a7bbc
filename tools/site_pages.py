"""Pages of the site that are made from their sources while it is built: commands, Python reference, change log.

A hook of mkdocs (`mkdocs.yml`). Nothing is written to the checkout. When all is built, pages are looked through for
anything that a browser would fetch from elsewhere, which a warning names and `mkdocs build --strict` refuses.
"""

import html
import importlib
import logging
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
log = logging.getLogger("mkdocs.hooks.site_pages")

# What a browser fetches by itself; links that a reader may follow are not among it.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\ssrc=["']?(?:https?:)?//"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*\shref=["']?(?:https?:)?//"""
    r"""|@import\s+url\(["']?(?:https?:)?//"""
)
_GROUPS = {
    "Matching": ("match", "locate", "align", "retrieve", "verify", "change", "make_index", "open_index"),
    "Scoring": ("score", "compare"),
    "Series": ("cut", "features", "fit_model"),
    "Files": ("open_images", "open_patches", "open_series", "read_submission", "write_submission"),
}
# Beside the public names: their options and what they hand back, and what a user needs who writes files, runs batches,
# or adds a reader or a kind of evidence.
_MORE = {
    "Options": ("matcher.locating.plan.Locating", "matcher.alignment.run.Aligning"),
    "What is handed back": (
        "matcher.locating.found.Places",
        "matcher.alignment.run.Alignment",
        "matcher.alignment.ties.TiePoints",
        "matcher.ranking.rankings.Ranking",
        "matcher.verification.verifying.Verdicts",
        "matcher.changing.run.Found",
        "matcher.cutting.run.Counts",
        "matcher.shared.run.SeriesFeatures",
        "matcher.fitting.run.Fit",
        "matcher.formats.catalog.Catalog",
    ),
    "Batches": (
        "matcher.runs.batch.Batch",
        "matcher.runs.batch.run",
        "matcher.runs.batch.Outcome",
        "matcher.runs.workers.LocalWorkers",
        "matcher.runs.cluster.DaskCluster",
        "matcher.runs.merge.merge",
    ),
    "Inputs": (
        "matcher.formats.opening.open_rasters",
        "matcher.formats.tiefiles.read_ties",
        "matcher.alignment.ties.tie_points",
    ),
    "Outputs": (
        "matcher.formats.placefiles.write_places",
        "matcher.formats.placefiles.write_georeferenced",
        "matcher.report.page.write_report",
        "matcher.report.located.write_located",
    ),
    "A synthetic Earth": ("matcher.simulate.challenge.simulate",),
    "Plug-ins": (
        "matcher.formats.reader.Reader",
        "matcher.formats.reader.Asked",
        "matcher.evidence.plugins",
        "matcher.evidence.channel.Channel",
        "matcher.imagery.Roles",
    ),
}


def on_files(files, config):
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    sys.path.insert(0, str(ROOT))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for name, text in (("commands.md", commands()), ("python.md", python()), ("changes.md", changes)):
        files.append(File.generated(config, name, content=text))
    return files


def on_post_build(config):
    """Name whatever a page would fetch from a network."""
    for path in sorted(Path(config.site_dir).rglob("*.html")):
        for found in fetched(path.read_text(encoding="utf-8")):
            log.warning("%s: fetches from a network: %s", path.relative_to(config.site_dir), found)


def fetched(page):
    """The tags of a page by which a browser would fetch from elsewhere."""
    return [match.group(0) for match in _FETCHED.finditer(page)]


def commands():
    """The reference of the command line, as Markdown: each command's help, arguments and options."""
    from matcher.cli import COMMANDS, main

    parts = ["# Commands\n\n`matcher COMMAND --help` says the same on the terminal.\n"]
    for name, command in _each(COMMANDS, main):
        context = command.make_context(name, [], resilient_parsing=True)
        usage = " ".join(["matcher", name, *command.collect_usage_pieces(context)])
        parts.append(f"## matcher {name}\n\n```\n{usage}\n```\n\n{_paragraphs(command.help)}\n")
        rows = [p.get_help_record(context) for p in command.get_params(context)]
        lines = [f"| `{names}` | {_cell(text)} |" for names, text in filter(None, rows) if text]
        parts.append("\n".join(["| option | |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


def _each(names, main):
    """Names and commands, those inside of a group after it."""
    for name in names:
        command = main.get_command(None, name)
        yield name, command
        for own, inside in getattr(command, "commands", {}).items():
            yield f"{name} {own}", inside


def _paragraphs(text):
    """Help as Markdown: paragraphs joined to lines, nothing in them taken for tags."""
    blocks = re.split(r"\n\s*\n", (text or "").replace("\b", "").strip())
    return "\n\n".join(
        html.escape(" ".join(block.split()), quote=False).replace("*", r"\*") for block in blocks
    )


def _cell(text):
    return html.escape(text, quote=False).replace("|", "\\|").replace("*", r"\*").replace("[", r"\[")


def python():
    """The reference of the package, as Markdown that mkdocstrings fills from docstrings."""
    import matcher

    grouped = {name for names in _GROUPS.values() for name in names}
    groups = dict(_GROUPS) | {"Classes": tuple(name for name in matcher.__all__ if name not in grouped)}
    parts = ["# Python\n\n`import matcher` loads nothing heavy; each name is loaded when it is first used.\n"]
    for title, names in groups.items():
        paths = [f"{home(getattr(matcher, name), name)}" for name in names]
        parts += [f"## {title}\n", *map(_entry, paths)]
    for title, paths in _MORE.items():
        parts += [f"## {title}\n", *map(_entry, paths)]
    return "\n".join(parts)


def home(what, name):
    """Where a public name is written: the module that its docstring stands in."""
    module = importlib.import_module(what.__module__)
    assert getattr(module, name) is what, name
    return f"{what.__module__}.{name}"


def _entry(path):
    return f"::: {path}\n    options:\n      heading_level: 3\n"
