#!/usr/bin/env python3
"""Every figure of docs/baseline.md and docs/protocol.md, by one command.

    python -m pip install docs/histograms
    python tools/measure_baseline.py WORK [--data ../shared/data] [--only verify,change,features,classify,protocol]

Runs one after the other: tools/measure_verify.py, tools/measure_change.py, `matcher features` on every place,
docs/classify.py on the place with the most dates of one sensor, and tools/protocol.py --results. About an hour on two
cores; challenges and submissions that are in WORK already are not made again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOG = "deurne.npz"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--data", default=ROOT.parent / "shared" / "data", type=Path)
    parser.add_argument("--only", help="some of the parts, with commas between")
    options = parser.parse_args()
    places = sorted(str(path) for path in options.data.glob("places/*.npz"))
    python, data = [sys.executable], ["--data", str(options.data)]
    cli = [*python, "-c", "from matcher.cli import main; main()"]
    parts = {
        "verify": [*python, "tools/measure_verify.py", *data],
        "change": [*python, "tools/measure_change.py", *data],
        "features": [*cli, "features", *places],
        "classify": [*python, "docs/classify.py", str(options.data / "places" / BOG)],
        "protocol": [*python, "tools/protocol.py", str(options.work.resolve()), "--results", *data],
    }
    chosen = options.only.split(",") if options.only else list(parts)
    for name in chosen:
        if name not in parts:
            raise SystemExit(f"{name}: no part; there are {', '.join(parts)}")
        print(f"\n# {name}\n", flush=True)
        subprocess.run(parts[name], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
