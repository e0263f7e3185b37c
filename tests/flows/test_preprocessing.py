"""From rows to features: what training decides, and values that it has never seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract import Column
from harness.errors import RunFailed
from harness.flows.preprocessing import UNKNOWN, Preprocessor
from harness.flows.table import Row, of_rows
from harness.flows.windows import after, sliding

COLUMNS = (Column("bytes", "number"), Column("protocol", "category"))
TRAIN: list[Row] = [[10, "tcp"], [1000, "tcp"], [100, "udp"], [10, "icmp"], [None, "tcp"]]


def fitted(numbers: str = "log", categories: str = "ordinal", levels: int = 2) -> Preprocessor:
    return Preprocessor.fit(of_rows(TRAIN, COLUMNS), numbers=numbers, categories=categories, levels=levels)  # type: ignore[arg-type]


def features(rows: list[Row], **how: object) -> list[list[float]]:
    return fitted(**how).features(of_rows(rows, COLUMNS)).tolist()  # type: ignore[arg-type]


def test_the_most_common_level_shares_its_code_with_no_unknown_one() -> None:
    codes = [row[1] for row in features([[1, "tcp"], [1, "icmp"], [1, "udp"], [1, "new"], [1, None]])]
    assert codes == [1, 2, UNKNOWN, UNKNOWN, UNKNOWN]  # icmp and udp are as common: the first by name is kept


def test_one_hot_has_a_feature_for_what_is_unknown() -> None:
    assert features([[10, "new"], [10, "tcp"]], categories="one_hot") == [[0, 1, 0, 0], [0, 0, 1, 0]]


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_log_scaling_stays_between_0_and_1_whatever_the_number(value: float) -> None:
    ((scaled, _),) = features([[value, "tcp"]])
    assert 0 <= scaled <= 1


def test_log_scaling_keeps_the_order_and_the_ends() -> None:
    scaled = [row[0] for row in features([[10, "tcp"], [100, "tcp"], [1000, "tcp"], [5, "tcp"], [9999, "tcp"]])]
    assert scaled == pytest.approx([0, np.log(91) / np.log(991), 1, 0, 1])


def test_standardised_training_rows_have_mean_0_and_deviation_1() -> None:
    scaled = np.array(features(TRAIN[:4], numbers="standard"))[:, 0]
    assert (scaled.mean(), scaled.std()) == pytest.approx((0, 1))


def test_missing_and_infinite_numbers_stay_missing_for_trees_alone() -> None:
    rows: list[Row] = [[None, "tcp"], [float("inf"), "tcp"]]
    assert np.isnan(np.array(features(rows, numbers="raw"))[:, 0]).all()
    assert not np.isnan(features(rows, numbers="standard")).any()


def test_a_column_without_any_number_does_no_harm() -> None:
    empty = of_rows([[None, "tcp"], [None, "tcp"]], COLUMNS)
    for numbers in ("log", "standard"):
        found = Preprocessor.fit(empty, numbers=numbers, categories="ordinal", levels=2)  # type: ignore[arg-type]
        assert found.features(of_rows([[5, "tcp"]], COLUMNS)).tolist() == [[0 if numbers == "log" else 5, 1]]


def test_text_for_a_number_names_the_column() -> None:
    with pytest.raises(RunFailed, match="bytes should hold numbers"):
        of_rows([["many", "tcp"]], COLUMNS)
    with pytest.raises(RunFailed, match="2 columns"):
        of_rows([[1]], COLUMNS)


def test_windows_end_with_their_row_and_chunks_make_the_same_ones() -> None:
    rows = np.arange(1, 11, dtype=float)[:, None]
    windows = sliding(rows, 3)
    assert windows[:, :, 0].tolist()[:3] == [[0, 0, 1], [0, 1, 2], [1, 2, 3]]
    chunks = [after(np.zeros((2, 1)), rows[:4], 3), after(rows[2:4], rows[4:], 3)]
    assert np.concatenate(chunks).tolist() == windows.tolist()
