#!/usr/bin/env python3
"""The leaderboard of docs/results: check every submission, compare all of a challenge, and write the page.

    python tools/leaderboard.py          # check, write docs/results/README.md and the results in docs/protocol.md
    python tools/leaderboard.py --add CHALLENGE FILE.csv --title TITLE --command COMMAND [--learned-on PLACES]
    python tools/leaderboard.py --make WORK [--only CHALLENGE,…] [--methods NAME,…]

docs/results/CHALLENGE/ holds answers.csv, and of every entry NAME.csv (a submission) and NAME.json: title, command,
versions, machine, what it was fitted on, and the SHA-256 of the submission. The answers' SHA-256 is that of
docs/protocol.json. --add copies a submission there with what is known of this machine, and writes the page; commands
are written with the challenge's folder as CHALLENGE. --make runs the matcher, the peers and the learned example
(tools/entrants.py) on the challenges that tools/protocol.py made in WORK, adds what they answer, and writes the page;
what WORK/entries holds already by the same code, packages and commands is not made again. Exit code 1 says that a
checksum differs.
"""

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from entrants import CHALLENGES, ENTRANTS, FITTED, FOLDERS, Entrant
from ladder_peers import versions
from tables import put

import matcher
from matcher.formats.filled import file_checksum
from matcher.scoring.comparison import Comparison
from matcher.scoring.table import interval_cell

ROOT = Path(__file__).parents[1]
RESULTS, PROTOCOL = ROOT / "docs" / "results", ROOT / "docs" / "protocol.json"
SUMMARY = ROOT / "docs" / "protocol.md"
METRICS = ("total", "image", "within_2")
HEAD = """# Results

What was scored on the challenges of the [evaluation protocol](../protocol.md), with intervals of 95 % by resampling
images. Every submission lies in the folder of its challenge, with the command, versions and machine that made it, so
that this page can be made again, and checked, from this folder alone: `python tools/leaderboard.py`. *Against the
first* is the paired difference of official scores from the best entry; where its interval holds 0, the two are not told
apart. CHALLENGE in a command is the challenge's folder, of `real-split` the folder `validation` in it, and TRAIN is
`real-split/train`.

`python tools/leaderboard.py --make WORK` makes our own entries again: the matcher, plain methods, the peers of
[accuracy.md](../accuracy.md#other-methods) and the [learned example](../learned/README.md), each on the challenges that
it is fast enough for. The example learned on `real-split/train`, whose places the other real challenges hold, so it
stands on `real-split` and on simulated places alone.
"""
FOOT = """## Adding an entry

Make the challenge by the command of the protocol, match it, and

```
python tools/leaderboard.py --add CHALLENGE submission.csv --title "what it is" \\
    --command "the command that made it" --learned-on "the places it was fitted on, or none"
```

then open a pull request with the files that this changes; the template `leaderboard` says what to tell. An entry
that learned names the places that it learned on; those of `real-split/validation` may not be among them. The test that
guards this page scores every submission anew.
"""


def entries(folder: Path) -> dict[str, dict]:
    """What is said of every entry of a challenge, by its name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def check(folder: Path) -> list[str]:
    """What does not hold of a challenge's checksums and files."""
    recorded = json.loads(PROTOCOL.read_text(encoding="utf-8"))["sha256"]
    within = FOLDERS.get(folder.name, folder.name).removeprefix(folder.name).lstrip("/")
    wanted = recorded.get(folder.name, {}).get(f"{within}/answers.csv".lstrip("/"))
    wrong = [] if file_checksum(folder / "answers.csv") == wanted else ["answers.csv"]
    for name, entry in entries(folder).items():
        path = folder / f"{name}.csv"
        if not path.exists() or file_checksum(path) != entry["sha256"]:
            wrong.append(path.name)
    told = {"answers", *entries(folder)}
    return wrong + [path.name for path in sorted(folder.glob("*.csv")) if path.stem not in told]


@dataclass(frozen=True)
class Board:
    """What is said of a challenge's entries, their scores, and official scores less the best's, by name."""

    name: str
    told: dict[str, dict]
    scores: dict[str, matcher.Score]
    against: dict[str, str]

    @property
    def ranked(self) -> list[str]:
        """The entries' names, the best first."""
        return sorted(self.scores, key=lambda name: (-self.scores[name].total, name))

    def cells(self, name: str) -> list[str]:
        """An entry's scores with their intervals."""
        score = self.scores[name]
        return [interval_cell(score.value(m), score.intervals[m]) for m in METRICS]


def read_boards() -> list[Board]:
    """All challenges that have entries, in the order of the protocol."""
    named = [path.name for path in sorted(RESULTS.iterdir()) if path.is_dir() and entries(path)]
    order = [*CHALLENGES, *(name for name in named if name not in CHALLENGES)]
    return [read_board(RESULTS / name) for name in order if name in named]


def read_board(folder: Path) -> Board:
    """A challenge's entries, scored and compared."""
    told = entries(folder)
    submissions = {name: folder / f"{name}.csv" for name in told}
    answers = folder / "answers.csv"
    if len(told) == 1:
        (name,) = told
        return Board(folder.name, told, {name: matcher.score(submissions[name], answers)}, {})
    comparison = matcher.compare(submissions, answers)
    return Board(folder.name, told, comparison.scores, differences(comparison))


def in_cell(text: str) -> str:
    """Text as a cell of a table has it: on one line, its bars told from those between cells."""
    return " ".join(text.split()).replace("|", r"\|")


def section(board: Board) -> Iterator[str]:
    """A challenge's table, the best first."""
    first = board.scores[board.ranked[0]]
    yield f"## {board.name}"
    yield ""
    yield f"{first.n_patches} patches, {first.n_images} images."
    yield ""
    yield "| method | official score | right image | within 2 px | against the first | learned on | made by |"
    yield "|---|---|---|---|---|---|---|"
    for name in board.ranked:
        entry = board.told[name]
        cells = [*board.cells(name), board.against.get(name, ""), in_cell(entry["learned on"])]
        title, command = in_cell(entry["title"]), in_cell(entry["command"])
        yield f"| [{title}]({board.name}/{name}.csv) | {' | '.join(cells)} | `{command}` |"
    yield ""


def summary(boards: Sequence[Board]) -> Iterator[str]:
    """The results in the protocol: of every challenge the matcher, and the best that is not made by its numbers."""
    yield "| challenge | method | official score | right image | within 2 px |"
    yield "|---|---|---|---|---|"
    for board in boards:
        others = [name for name in board.ranked if board.told[name]["learned on"] != FITTED]
        for name in [name for name in board.ranked if name == "matcher"] + others[:1]:
            cells = [f"`{board.name}`", in_cell(board.told[name]["title"]), *board.cells(name)]
            yield f"| {' | '.join(cells)} |"


def differences(comparison: Comparison) -> dict[str, str]:
    """Of every entry but the best, its official score less the best's."""
    best, out = comparison.best, {}
    for pair in comparison.pairs:
        if best in (pair.first, pair.second):
            sign = -1 if pair.first == best else 1
            name = pair.second if pair.first == best else pair.first
            interval = pair.intervals["total"]
            turned = None if interval is None else tuple(sorted(sign * end for end in interval))
            out[name] = interval_cell(sign * pair.differences["total"], turned, signed=True)
    return out


def absent() -> Iterator[str]:
    """Of each challenge the methods of our own that are run on it and do not stand there."""
    for name in CHALLENGES:
        there = entries(RESULTS / name)
        missing = [key for key, entrant in ENTRANTS.items() if name in entrant.on and key not in there]
        if missing:
            yield f"- {name}: {', '.join(missing)}"


def page(boards: Sequence[Board]) -> str:
    """The whole page."""
    lines = [HEAD]
    for board in boards:
        lines += section(board)
    if missing := list(absent()):
        lines += ["## Not run yet", "", "Entries of our own that `--make` would add:", "", *missing, ""]
    return "\n".join([*lines, FOOT])


def add(challenge: str, path: Path, entrant: Entrant) -> None:
    """Copy a submission to its challenge, with what is known of it."""
    folder = RESULTS / challenge
    if not (folder / "answers.csv").exists():
        raise SystemExit(f"{challenge}: no challenge of docs/results; make {folder}/answers.csv first")
    matcher.score(matcher.read_submission(path), folder / "answers.csv")  # belongs to this challenge
    target = folder / f"{path.stem}.csv"
    shutil.copy(path, target)
    entry = {
        "title": entrant.title,
        "command": "; ".join(entrant.commands),
        "learned on": entrant.learned_on,
        "versions": {
            "matcher": matcher.__version__,
            "python": platform.python_version(),
            **versions(("numpy", *entrant.needs)),
        },
        "machine": f"{platform.system()} {platform.machine()}",
        "sha256": file_checksum(target),
    }
    target.with_suffix(".json").write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")


def make(work: Path, only: set[str], methods: set[str]) -> None:
    """Run every method on every challenge that is in WORK, and add its submission."""
    for name in sorted({c for entrant in ENTRANTS.values() for c in entrant.on} & only):
        source = work / FOLDERS.get(name, name) / "answers.csv"
        if not source.exists():
            raise SystemExit(f"{source}: not there; make the challenges by tools/protocol.py {work}")
        (RESULTS / name).mkdir(exist_ok=True)
        shutil.copy(source, RESULTS / name / "answers.csv")
        for key in (key for key in ENTRANTS if key in methods and name in ENTRANTS[key].on):
            entrant, submission = ENTRANTS[key], work / "entries" / name / f"{key}.csv"
            if entrant.missing:
                print(f"{name}, {key}: left out, needs {', '.join(entrant.missing)}", file=sys.stderr)
                continue
            if not kept(submission, state := entrant.state(work, name)):
                entrant.make(work, name, submission.parent)
                state_file(submission).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
                print(f"{name}, {key}: made", file=sys.stderr, flush=True)
            add(name, submission, entrant)


def state_file(submission: Path) -> Path:
    """The file that says what a submission came from."""
    return submission.with_suffix(".state.json")


def kept(submission: Path, state: dict[str, object]) -> bool:
    """Whether a submission is there that came from this state; one of another state is taken away."""
    said = state_file(submission)
    if submission.exists() and said.exists() and json.loads(said.read_text(encoding="utf-8")) == state:
        return True
    submission.unlink(missing_ok=True)
    return False


def chosen(said: str, known: Collection[str], what: str) -> set[str]:
    """Names with commas between, each a known one."""
    names = set(said.split(","))
    if unknown := names - set(known):
        raise SystemExit(f"{unknown.pop()}: no {what}; there are {', '.join(known)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", nargs=2, metavar=("CHALLENGE", "FILE"))
    parser.add_argument("--title")
    parser.add_argument("--command")
    parser.add_argument("--learned-on", default="none")
    parser.add_argument("--make", type=Path, metavar="WORK")
    parser.add_argument("--only", default=",".join(CHALLENGES), help="challenges, with commas between")
    parser.add_argument("--methods", default=",".join(ENTRANTS), help="methods, with commas between")
    options = parser.parse_args()
    if options.add:
        if not options.title or not options.command:
            raise SystemExit("--add: give --title and --command")
        challenge, path = options.add
        if (taken := RESULTS / challenge / f"{Path(path).stem}.csv").exists():
            raise SystemExit(
                f"{challenge}/{taken.name}: stands there already; give the file a name of its own"
            )
        add(challenge, Path(path), Entrant(options.title, (options.command,), (), options.learned_on))
    if options.make:
        make(
            options.make,
            chosen(options.only, CHALLENGES, "challenge"),
            chosen(options.methods, ENTRANTS, "method"),
        )
    wrong = [
        f"{folder.name}/{name}" for folder in RESULTS.iterdir() if folder.is_dir() for name in check(folder)
    ]
    if wrong:
        print(f"not as recorded: {', '.join(wrong)}", file=sys.stderr)
        sys.exit(1)
    boards = read_boards()
    (RESULTS / "README.md").write_text(page(boards), encoding="utf-8")
    put(SUMMARY, "results", list(summary(boards)), "tools/leaderboard.py")


if __name__ == "__main__":
    main()
