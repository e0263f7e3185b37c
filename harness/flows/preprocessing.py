"""From a table to features: numbers as they are or scaled, categories by their most common levels and one for the rest.

Everything is found on training rows. A level that they do not have has a code of its own, which no known one shares,
and a number outside their range is clipped to it before its logarithm is taken.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.flows.table import Table, recoded

if TYPE_CHECKING:
    from harness.contract import FloatArray

Numbers = Literal["raw", "log", "standard"]
Categories = Literal["one_hot", "ordinal"]

UNKNOWN = 0
"""Code of a level that is missing, rare or new; known ones count from 1, the most common first."""

_LARGEST = float(np.finfo(np.float32).max)
"""Trees of scikit-learn refuse what single precision does not hold."""


@dataclass(frozen=True)
class Preprocessor:
    """What training rows decided; makes features [rows, width] of any table with the same columns."""

    numbers: Numbers
    one_hot: bool
    low: FloatArray
    """[numbers]: the least, or the mean."""
    spread: FloatArray
    """[numbers]: the range, or the standard deviation; 0 for a constant."""
    levels: tuple[tuple[str, ...], ...]
    """Of each category, the most common first."""

    @classmethod
    def fit(cls, table: Table, *, numbers: Numbers, categories: Categories, levels: int) -> Preprocessor:
        """Scale by these rows, and know the `levels` most common values of each category."""
        known = tuple(_most_common(table, column, levels) for column in range(len(table.texts)))
        low, spread = _scale(table.numbers, numbers)
        return cls(numbers, categories == "one_hot", low, spread, known)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each category, that of the unknown included."""
        return tuple(len(levels) + 1 for levels in self.levels)

    @property
    def width(self) -> int:
        """Features of a row."""
        return len(self.low) + (sum(self.sizes) if self.one_hot else len(self.levels))

    def features(self, table: Table) -> FloatArray:
        """[rows, width]: numbers first, then categories. With scaling a missing number is 0, else it stays NaN."""
        features = np.zeros((len(table), self.width))
        count = len(self.low)
        features[:, :count] = self._scaled(table.numbers)
        start, rows = count, np.arange(len(table))
        for column, levels in enumerate(self.levels):
            codes = recoded(table, column, {level: code for code, level in enumerate(levels, start=1)}, UNKNOWN)
            if self.one_hot:
                features[rows, start + codes] = 1.0
                start += len(levels) + 1
            else:
                features[:, start] = codes
                start += 1
        return features

    def _scaled(self, numbers: FloatArray) -> FloatArray:
        if self.numbers == "raw":
            return np.clip(numbers, -_LARGEST, _LARGEST)
        divisor = np.where(self.spread > 0, self.spread, 1.0)
        if self.numbers == "standard":
            return np.nan_to_num((numbers - self.low) / divisor)
        # log(x − min + 1) / log(range + 1), Manocchio et al. 2024, clipped: below the minimum it would be no number.
        inside = np.clip(numbers - self.low, 0, self.spread)
        scaled: FloatArray = np.nan_to_num(np.log1p(inside) / np.log1p(divisor))
        return scaled


def _scale(numbers: FloatArray, how: Numbers) -> tuple[FloatArray, FloatArray]:
    width = numbers.shape[1]
    known = ~np.isnan(numbers).all(axis=0)
    low, spread = np.zeros(width), np.zeros(width)
    if how != "raw" and known.any():
        found = numbers[:, known]
        low[known] = np.nanmin(found, axis=0) if how == "log" else np.nanmean(found, axis=0)
        spread[known] = np.nanmax(found, axis=0) - low[known] if how == "log" else np.nanstd(found, axis=0)
    return low, spread


def _most_common(table: Table, column: int, most: int) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    found = np.bincount(table.codes[:, column] + 1, minlength=len(table.texts[column]) + 1)[1:]
    for text, count in zip(table.texts[column], found.tolist(), strict=True):
        counts[text] += count
    return tuple(sorted(counts, key=lambda level: (-counts[level], level))[:most])
