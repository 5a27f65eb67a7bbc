"""Who stands on the leaderboard: the matcher, the peers of the ladder and the learned example, each by its commands."""

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ladder_peers import CODE, PEERS, versions
from rounds import PACKAGE, checksum, code

from matcher.formats.filled import file_checksum
from matcher.identity import PACKAGES
from matcher.settings import DEFAULT_EVIDENCE

ROOT = Path(__file__).parents[1]
FOLDERS = {"real-split": "real-split/validation"}  # where a challenge is not a folder of its own name
REAL, SMALL = ("real-64", "real-32", "real-split", "real-trial"), ("real-trial", "simulated-12")
CHALLENGES = (*REAL, "simulated-12", "simulated-100")
FITTED = "real places, other patches of them (shipped numbers)"
PAIR = "CHALLENGE/test_images.tfrecords CHALLENGE/test_patches.tfrecords"
EXAMPLE = "histograms"  # evidence of the worked example
HISTOGRAMS, LEARN = ROOT / "docs" / "histograms", ROOT / "docs" / "learned"


@dataclass(frozen=True)
class Entrant:
    """A method: the commands that make its submission NAME.csv of a challenge, and of which challenges.

    A command is run in a folder of the challenge's entries. CHALLENGE in it is the challenge's folder, TRAIN the one
    to learn on, and a script is named by its path in the repository. What it answers comes from the files `code`, and
    from the packages that it needs.
    """

    title: str
    commands: tuple[str, ...]
    on: tuple[str, ...]
    learned_on: str = "none"
    needs: tuple[str, ...] = ()
    code: tuple[Path, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Packages that it needs and that are not installed."""
        return [name for name in self.needs if name not in versions(self.needs)]

    def state(self, work: Path, challenge: str) -> dict[str, object]:
        """All that its answers come from: those of another state are made anew."""
        return {
            "answers": file_checksum(work / FOLDERS.get(challenge, challenge) / "answers.csv"),
            "commands": list(self.commands),
            "code": checksum(*self.code),
            "versions": versions((*PACKAGES, *self.needs)),
        }

    def make(self, work: Path, challenge: str, out: Path) -> None:
        """Run its commands; out holds its submission then."""
        out.mkdir(parents=True, exist_ok=True)
        folder = work.resolve() / FOLDERS.get(challenge, challenge)
        for command in self.commands:
            words = [_word(word, folder, work) for word in shlex.split(command)]
            start = {"matcher": ["-c", "from matcher.cli import main; main()"], "python": []}[words[0]]
            done = subprocess.run([sys.executable, *start, *words[1:]], cwd=out, check=False)
            if done.returncode:
                raise SystemExit(f"{challenge}, {self.title}: `{command}` failed")


def _word(word: str, folder: Path, work: Path) -> str:
    """A word of a command as it is run."""
    train = work.resolve() / "real-split" / "train"
    word = word.replace("CHALLENGE", str(folder)).replace("TRAIN", str(train))
    return str(ROOT / word) if word.endswith(".py") else word


def _match(title: str, name: str, options: str, on: tuple[str, ...], learned_on: str = "none") -> Entrant:
    command = f"matcher match {PAIR} -o {name}.csv {options}".rstrip()
    if EXAMPLE in options:
        return Entrant(title, (command,), on, learned_on, ("matcher-histograms",), _code(PACKAGE, HISTOGRAMS))
    return Entrant(title, (command,), on, learned_on, (), _code(PACKAGE))


def _code(*folders: Path) -> tuple[Path, ...]:
    return tuple(path for folder in folders for path in code(folder))


EXACT = "--search exhaustive"
TRIPLET = (
    "python docs/learned/triplet.py train TRAIN encoder.keras 400",
    "python docs/learned/triplet.py rank CHALLENGE encoder.keras triplet.npz",
)
REREAD = (
    "python docs/learned/same_place.py train TRAIN classifier.keras 300",
    "python docs/learned/same_place.py rank CHALLENGE classifier.keras triplet.npz reread.npz",
)
LEARNED = ("real-split", "simulated-12")  # the other challenges hold places of real-split/train
ENTRANTS = {
    "matcher": _match("matcher", "matcher", "", CHALLENGES, FITTED),
    "exhaustive": _match("matcher, exhaustive", "exhaustive", EXACT, SMALL, FITTED),
    "exhaustive-ranking": Entrant(
        "matcher, exhaustive",
        (f"matcher retrieve {PAIR} -o exhaustive-ranking.csv",),
        ("real-split",),
        FITTED,
        code=_code(PACKAGE),
    ),
    "bands": _match("ZNCC of the bands", "bands", f"{EXACT} --evidence bands", SMALL),
    "ndvi": _match("ZNCC of NDVI", "ndvi", f"{EXACT} --evidence ndvi", SMALL),
    "histograms": _match(
        "local histograms, docs/histograms", "histograms", f"{EXACT} --evidence {EXAMPLE}", SMALL
    ),
    "with-histograms": _match(
        "matcher and histograms",
        "with-histograms",
        f"{EXACT} --evidence {','.join((*DEFAULT_EVIDENCE, EXAMPLE))}",
        SMALL,
        FITTED,
    ),
    **{
        name: Entrant(
            peer.title,
            (f"python tools/ladder_peers.py {PAIR} {name} -o {name}.csv",),
            SMALL if name == "skimage-gray" else (*REAL, "simulated-12"),
            peer.learned_on,
            peer.needs,
            CODE,
        )
        for name, peer in PEERS.items()
    },
    "triplet": Entrant(
        "triplet encoder, docs/learned",
        (*TRIPLET, f"matcher retrieve {PAIR} --from triplet.npz -o triplet.csv"),
        LEARNED,
        "real-split/train",
        ("tensorflow",),
        _code(LEARN),
    ),
    "reread": Entrant(
        "triplet encoder, its first ten read anew by the same-place classifier, docs/learned",
        (*REREAD, f"matcher retrieve {PAIR} --from reread.npz -o reread.csv"),
        LEARNED,
        "real-split/train",
        ("tensorflow",),
        _code(LEARN),
    ),
}
