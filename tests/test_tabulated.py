"""`harness results --format`: the same rows for other programs."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from harness.errors import InputError
from harness.store import open_database, read
from harness.tabulated import write


@pytest.fixture
def results(command, tmp_path) -> str:
    path = str(tmp_path / "results.db")
    submission = tmp_path / "named.yaml"
    submission.write_text("name: '=1+1'\nmodel: {kind: haystack, rule: lookup}\n")
    assert command("eval", submission, "--task", "needle/small", "--limit", 5, "--db", path).code == 0
    return path


def test_parquet_is_exact_and_has_a_row_for_each_metric(command, results, tmp_path) -> None:
    file = tmp_path / "results.parquet"
    ended = command("results", "--db", results, "--format", "parquet", "--output", file)
    assert ended.code == 0, ended.err
    stored = read.results(open_database(results, create=False))
    table = pd.read_parquet(file)
    assert list(table["metric"]) == [row["metric"] for row in stored]
    assert list(table["value"]) == [row["value"] for row in stored]
    assert set(table["submission"]) == {"=1+1"}


def test_csv_is_safe_in_a_spreadsheet(command, results) -> None:
    table = pd.read_csv(io.StringIO(command("results", "--db", results, "--format", "csv").out))
    assert set(table["submission"]) == {"'=1+1"}
    assert table["bound_seconds"].notna().any() or table["work_note"].notna().any()


def test_a_folder_that_is_missing_is_said(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write([{"a": 1}], "parquet", tmp_path / "missing" / "results.parquet")


def test_a_file_needs_a_format(command, results, tmp_path) -> None:
    assert command("results", "--db", results, "--output", tmp_path / "x.csv").code == 2
