"""A part of an index, and how those who hold parts are asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from matcher.search.exhaustive import fitting
from matcher.search.pyramid.index import Index
from matcher.search.pyramid.promise import Promise, promise_of
from matcher.search.task import Task

Calls = Mapping[int, tuple[Any, ...]]  # by part: what a function is given after the part


class Helpers(Protocol):
    """Whoever holds the parts of an index, and answers for them."""

    def ask(self, function: Callable[..., Any], calls: Calls) -> dict[int, Any]:
        """What a module's function, given a `Part` and more, says of some parts."""

    def hold(self, function: Callable[..., Any], calls: Calls) -> dict[int, Any]:
        """The same; answers stay where they were made, and what is handed over stands for them in later calls."""

    def share(self, value: Any) -> Any:
        """What stands for a value in calls, so that it is sent to each helper once."""


@dataclass(frozen=True)
class Part:
    """Some consecutive targets of an index, in the hands of who answers for them.

    Attributes
    ----------
    task : Task
        With all targets.
    index : Index
        Of these targets alone.
    first : int
        Number of the first of them in the whole index.
    """

    task: Task
    index: Index
    first: int

    @classmethod
    def of(cls, task: Task, index: Index, bounds: NDArray[np.int64], number: int) -> "Part":
        """A part of an index that `bounds` cut."""
        first, last = bounds[number : number + 2].tolist()
        return cls(task, index.part(first, last), first)

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """The targets' numbers in the task."""
        numbers = fitting(self.task.targets, self.index.plan.whole)
        return np.array(numbers[self.first : self.first + len(self.index)])

    @cached_property
    def promise(self) -> Promise:
        """In which order these targets are worth a look."""
        return promise_of(self.index, self.task)


def cut_evenly(index: Index, parts: int) -> NDArray[np.int64]:
    """Bounds of parts whose codes take about as much each, (parts + 1,); at most one a target."""
    parts = max(1, min(parts, len(index)))
    ends = np.cumsum(index.sizes.sum(1))
    inner = np.searchsorted(ends, ends[-1] * np.arange(1, parts) / parts) + 1
    steps = np.arange(parts + 1)
    bounds = np.concatenate([[0], inner, [len(index)]])
    # No part is empty: each begins beyond the one before and leaves a target to each that follows.
    bounds = np.maximum.accumulate(bounds - steps) + steps
    return np.minimum(bounds, len(index) - steps[::-1])
