"""The judgements of the challenge: `annotationStore.csv`, with every annotator's grades averaged."""

from __future__ import annotations

import csv
from pathlib import Path

from harness.errors import DataError

HIGHEST = 3.0
_COLUMNS = ("Language", "Query", "GitHubUrl", "Relevance")


def read_judgements(path: Path, language: str) -> dict[str, dict[str, float]]:
    """Query → url → mean relevance, all in lower case as `relevanceeval.py` has them, in the order of the file.

    Raises `DataError` with file and line for a row that is not a judgement.
    """
    grades: dict[str, dict[str, list[float]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not set(_COLUMNS) <= set(rows.fieldnames or ()):
                raise DataError(f"{path}, line 1: expected the columns {', '.join(_COLUMNS)}")
            for row in rows:
                if row["Language"].lower() == language:
                    query, url = row["Query"].lower(), row["GitHubUrl"].lower()
                    grade = _grade(row["Relevance"], f"{path}, line {rows.line_num}")
                    grades.setdefault(query, {}).setdefault(url, []).append(grade)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    return {query: {url: sum(its) / len(its) for url, its in urls.items()} for query, urls in grades.items()}


def _grade(text: str, where: str) -> float:
    try:
        grade = float(text)
    except ValueError:
        grade = -1.0
    if not 0 <= grade <= HIGHEST:
        raise DataError(f"{where}: the relevance {text[:40]!r} is not between 0 and {HIGHEST:g}")
    return grade
