"""Pictures that a result remembers, to be shown when somebody looks: no file is held open for them meanwhile."""

import io
import pickle
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from matcher.errors import MatcherError

Sources = TypeVar("Sources")


class Recalled(Generic[Sources]):
    """Sources, put away until they are asked for: arrays are kept as they are, files are named and opened again.

    Parameters
    ----------
    sources : tuple of Source
        Those that cannot be pickled are kept as they are.
    """

    def __init__(self, sources: Sources) -> None:
        self._arrays: list[Any] = []
        self._held: Sources | None = None
        try:
            put = io.BytesIO()
            _Putting(put, self._arrays).dump(sources)
            self._put = put.getvalue()
        except Exception:  # whatever a source of another package raises
            self._held, self._arrays = sources, []

    def recall(self) -> Sources:
        """The sources as they were.

        Raises
        ------
        MatcherError
            If a file is gone, or was changed meanwhile.
        """
        if self._held is not None:
            return self._held
        out: Sources = _Taking(io.BytesIO(self._put), self._arrays).load()
        return out


class _Putting(pickle.Pickler):
    """A pickler that lays arrays of any library aside, none of them copied."""

    def __init__(self, file: io.BytesIO, arrays: list[Any]) -> None:
        super().__init__(file, 5)
        self._arrays = arrays

    def persistent_id(self, obj: Any) -> int | None:
        if not hasattr(obj, "__array__") or isinstance(obj, type):
            return None
        self._arrays.append(obj)
        return len(self._arrays) - 1


class _Taking(pickle.Unpickler):
    """The other way round."""

    def __init__(self, file: io.BytesIO, arrays: list[Any]) -> None:
        super().__init__(file)
        self._arrays = arrays

    def persistent_load(self, pid: Any) -> Any:
        return self._arrays[pid]


class Showing(Generic[Sources]):
    """What notebooks show with the pictures that it was made of; copies and pickles of it are without them."""

    _pictures: Recalled[Sources] | None = None

    def _illustrated(
        self, heads: list[str], rows: list[list[object]], draw: Callable[[int, Sources], list[object]]
    ) -> tuple[list[str], list[list[object]], str]:
        """A table with two pictures before each row, which `draw` makes by the row's number and the sources.

        Where they are not at hand any more the table is as it was; last, in words for its caption, why.
        """
        if self._pictures is None:
            return heads, rows, ""
        try:
            sources = self._pictures.recall()
            drawn = [[*draw(n, sources), *row] for n, row in enumerate(rows)]
        except MatcherError as error:
            return heads, rows, f"; no pictures: {error}"
        return ["", "found", *heads], drawn, ""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_pictures"}
