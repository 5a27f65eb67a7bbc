#!/usr/bin/env python3
"""Build the API reference from docstrings, and the guide beside it; any warning is an error.

python tools/build_docs.py OUT        (needs the extra docs: pdoc)
"""

import argparse
import html
import importlib.util
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TEMPLATE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><style>body{{max-width:46rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui}}"
    "pre{{background:#8881;padding:.6rem;overflow-x:auto}}table{{border-collapse:collapse}}"
    "td,th{{border:1px solid #8886;padding:.2rem .6rem}}</style>{body}</html>"
)
# Modules that need what is not always installed.
_OPTIONAL = {"matcher.formats.tfdata": "tensorflow", "matcher.runs.cluster": "distributed"}


def specs():
    """The modules that pdoc documents: all of the package that can be imported here."""
    missing = {name for name, needs in _OPTIONAL.items() if importlib.util.find_spec(needs) is None}
    paths = sorted((ROOT / "matcher").rglob("*.py"))
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths]
    return [name for name in names if name not in missing]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    sys.path.insert(0, str(ROOT))
    import markdown2
    import pdoc
    import pdoc.render

    import matcher

    for name in matcher.__all__:  # public names come when they are first used; pdoc wants them there
        setattr(matcher, name, getattr(matcher, name))
    pdoc.render.configure(docformat="numpy", show_source=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Keywords of a call that are those of another and more (TypedDict) are listed where they are written.
        warnings.filterwarnings("ignore", message=r"Cannot determine where .*Options\.")
        warnings.filterwarnings("ignore", message=".*has already been added")  # packages bring their modules
        pdoc.pdoc(*specs(), output_directory=out)
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0].lstrip("# ")
        body = markdown2.markdown(text, extras=["tables", "fenced-code-blocks"])
        page = _TEMPLATE.format(title=html.escape(title), body=body)
        (out / f"{path.stem}.html").write_text(page, encoding="utf-8")
    print(f"{out}: {len(list(out.rglob('*.html')))} pages")


if __name__ == "__main__":
    main()
