"""Sets of ids that stay small when there are millions: eight bytes an id instead of a hundred."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


class IdSet:
    """Ids, kept as the sorted 64-bit hashes that Python gives them in this process.

    An id that was put in is always found. One that was not is taken for one of n members with a chance of n / 2⁶⁴
    (for ten million, 1 in 10¹²), so this is for checks, not for keys. Hashes differ between processes: never store
    them.
    """

    def __init__(self, hashes: array[int]) -> None:
        """Take over an array of type `q` of the hashes of ids, and sort it in place."""
        self._hashes: npt.NDArray[np.int64] = np.frombuffer(hashes, dtype=np.int64)
        self._hashes.sort()

    @classmethod
    def of(cls, ids: Iterable[str]) -> IdSet:
        """The set of these ids."""
        return cls(array("q", map(hash, ids)))

    def __len__(self) -> int:
        """How many ids were put in, repeated ones as often as they were."""
        return len(self._hashes)

    def __contains__(self, id: str) -> bool:
        return not self.unknown([id])

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that are not in the set, in their order."""
        wanted = np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
        # Sorted, neighbours are looked up near each other: twice as fast in a set of millions.
        if not self._missing(np.sort(wanted)).any():
            return []
        return [ids[place] for place in np.flatnonzero(self._missing(wanted)).tolist()]

    def repeated_hashes(self) -> frozenset[int]:
        """The hashes that are there more than once: those of repeated ids, and perhaps of two that share one."""
        again = self._hashes[1:][self._hashes[1:] == self._hashes[:-1]]
        return frozenset(again.tolist())

    def _missing(self, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        if not len(self._hashes):
            return np.ones(len(wanted), dtype=bool)
        places = np.searchsorted(self._hashes, wanted)
        missing: npt.NDArray[np.bool_] = self._hashes[np.minimum(places, len(self._hashes) - 1)] != wanted
        return missing
