#!/usr/bin/env python3
"""What an index in parts takes: processor time of every question, and bytes that would move between machines.

    python benchmarks/parts.py SET [--images 600] [--parts 10] [--patches 200]

SET is a folder with images, patches and answers, as ``cut.py`` and `matcher simulate` write; more images are had by
naming some again and again, as ``growth.py`` does. The parts are in this process, one thread, and what is asked and
answered is pickled to be counted. Printed: how many patches each level sees; for each question how often it is asked,
milliseconds and bytes a patch; and whether the answers are those of one index.
"""

import argparse
import logging
import pickle
import time
from collections import Counter
from pathlib import Path

import numpy as np
from growth import Levels, Set
from scaling import warm

from matcher.matching.run import match_rows
from matcher.search.pyramid.divided import Divided
from matcher.search.pyramid.parts import Part, cut_evenly


class Counting:
    """Helpers in this process, `matcher.search.pyramid.parts.Helpers`, that count bytes and time."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self.asked: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.back: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self._stays: set[int] = set()  # what is shared or held by a part, and not sent with every question
        self._shared: object = None

    def ask(self, function, calls):  # type: ignore[no-untyped-def]
        """Answers, counted."""
        answers = self._answers(function, calls)
        self.back[function.__name__] += sum(map(_bytes, answers.values()))
        return answers

    def hold(self, function, calls):  # type: ignore[no-untyped-def]
        """Answers that stay."""
        self._held = self._answers(function, calls)
        self._stays = {id(one) for one in (self._shared, *self._held.values())}
        return self._held

    def _answers(self, function, calls):  # type: ignore[no-untyped-def]
        name, answers = function.__name__, {}
        self.asked[name] += 1
        for part, given in calls.items():
            self.sent[name] += sum(_bytes(one) for one in given if id(one) not in self._stays)
            begin = time.perf_counter()
            answers[part] = function(self._parts[part], *given)
            self.seconds[name] += time.perf_counter() - begin
        return answers

    def each(self, patches: int, *names: str) -> str:
        """Milliseconds and bytes a patch of some questions, by default of all."""
        told, sent, back = (
            sum(counted[name] for name in names or counted) / patches
            for counted in (self.seconds, self.sent, self.back)
        )
        return f"{1e3 * told:10.2f}{sent:12,.0f}{back:12,.0f}"

    def share(self, value):  # type: ignore[no-untyped-def]
        """Sent once to every part."""
        if value is not self._shared:
            self._shared, self._stays = value, {id(value)}
            self.sent["patches' codes"] += _bytes(value) * len(self._parts)
        return value


def _bytes(value: object) -> int:
    return len(pickle.dumps(value, protocol=5))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path, metavar="SET")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--patches", type=int, default=200)
    options = parser.parse_args()
    warm()
    chosen = Set.of(options.set, 1)
    rows = np.random.default_rng(0).permutation(len(chosen.truth))[: options.patches]
    job, index, _ = chosen.grown(max(options.images, len(chosen.pictures)))
    levels = Levels()
    log = logging.getLogger("matcher.pyramid")
    log.addHandler(levels)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    side = index.plan.whole
    begin = time.process_time()
    whole = match_rows(job, rows, indexes={side: index})
    one = time.process_time() - begin
    bounds = cut_evenly(index, options.parts)
    task = job.task(1)
    helpers = Counting([Part.of(task, index, bounds, p) for p in range(len(bounds) - 1)])
    begin = time.process_time()
    result = match_rows(job, rows, indexes={side: Divided.of(index, bounds, helpers)})
    many = time.process_time() - begin
    same = all(
        np.asarray(getattr(whole, name)).tobytes() == np.asarray(getattr(result, name)).tobytes()
        for name in whole.__dataclass_fields__
    )
    pixels = index.shapes.prod(1).sum() / 1e6
    print(f"{len(index):,} images, {pixels:,.0f} Mpx, {len(rows)} patches, {len(bounds) - 1} parts")
    print("levels: " + ", ".join(f"{name} {patches}" for name, (patches, _) in levels.seen.items()))
    print(f"processor time: one index {one:.1f} s, parts {many:.1f} s")
    print(f"{'question':20}{'asked':>6}{'ms':>10}{'bytes sent':>12}{'bytes back':>12}   a patch")
    for name in sorted({*helpers.asked, *helpers.sent}):
        print(f"{name.lstrip('_'):20}{helpers.asked[name]:6}" + helpers.each(len(rows), name))
    print(f"{'all':26}" + helpers.each(len(rows)))
    print("the same answers" if same else "OTHER ANSWERS")


if __name__ == "__main__":
    main()
