"""What a long command says on standard error while it works: notes, and how far it is."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from matcher.aliases import Progress
from matcher.cli.common import is_verbose

EVERY = 30.0  # seconds between lines where standard error is no terminal


@contextmanager
def reporting(quiet: bool, unit: str = "pairs") -> Iterator[Progress]:
    """Show the package's notes and a callback's progress on standard error.

    On a terminal that is a bar with the time left; elsewhere a line now and then. With `quiet` there is
    neither, and only warnings are shown; with ``-v`` the levels of the search are told too.
    """
    stream = sys.stderr
    least = logging.WARNING if quiet else logging.DEBUG if is_verbose() else logging.INFO
    handler = _Notes(least)
    logger = logging.getLogger("matcher")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False  # with -v the root has a handler too, and each line would stand twice
    logger.setLevel(min(least, logging.INFO))
    shown = None if quiet else Bar(stream, unit) if stream.isatty() else Lines(stream, unit)
    try:
        yield shown or (lambda _done, _total: None)
    finally:
        if isinstance(shown, Bar):
            shown.close()
        logger.setLevel(level)
        logger.propagate = propagate
        logger.removeHandler(handler)


class _Notes(logging.Handler):
    """Log records as lines of standard error, between those of the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "matcher: " if record.levelno < logging.WARNING else "matcher: warning: "
        if sys.stderr.isatty():
            from tqdm import tqdm

            tqdm.write(prefix + record.getMessage(), file=sys.stderr)
        else:
            click.echo(prefix + record.getMessage(), err=True)


class Bar:
    """A bar with the time left, made when the total is known."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(unit=f" {unit}", unit_scale=True, file=stream, dynamic_ncols=True)

    def __call__(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        self._bar.close()


class Lines:
    """A line now and then, at most every `EVERY` seconds: share done, time gone, time left."""

    def __init__(self, stream: TextIO, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._unit, self._clock = stream, unit, clock
        self._start = self._last = clock()

    def __call__(self, done: int, total: int) -> None:
        now = self._clock()
        if now - self._last < EVERY or not 0 < done < total:
            return
        self._last = now
        gone = now - self._start
        left = gone * (total - done) / done
        self._stream.write(
            f"matcher: {done / total:.0%} of {total:,} {self._unit}, {spell_time(gone)} gone, "
            f"about {spell_time(left)} left\n"
        )
        self._stream.flush()


def spell_time(seconds: float) -> str:
    """``0:07``, ``12:34`` or ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
