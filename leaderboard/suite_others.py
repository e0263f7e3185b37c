"""What was made elsewhere, for the page of a suite: averages of published scores, and which of ours reproduce them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.contract import Metric, Suite
from harness.plain import plain
from harness.reference.published import ReportedScore
from harness.reference.reproduction import with_reproductions
from harness.suite import Entry, Score, SuiteRow, averages


def averaged(suite: Suite, metric: Metric, scores: Iterable[ReportedScore]) -> list[SuiteRow]:
    """The averages of each model's scores that were made elsewhere; they have no run, and no rank among ours."""
    found: dict[tuple[str, str], dict[str, Score]] = {}
    for score in scores:
        of_model = found.setdefault((score.model, score.verification), {})
        of_model[score.task] = Score(score.value, None, None, run="", version=(score.verification, ""))
    return averages(
        suite,
        metric,
        [
            Entry(plain(model), "", kind="", runs_code=False, scores=of_model, verification=verification)
            for (model, verification), of_model in found.items()
        ],
    )


def reproduced(
    rows: Sequence[SuiteRow], settings: Mapping[str, Mapping[str, Any]], scores: Sequence[ReportedScore]
) -> list[str | None]:
    """For each of our averages, on how many data sets it is OK, close or off, such as `2 OK, 1 close`."""
    return [_verdicts(row, settings[row.submission_digest], scores) for row in rows]


def _verdicts(row: SuiteRow, settings: Mapping[str, Any], scores: Sequence[ReportedScore]) -> str | None:
    ours = [
        {"task": score.member, "metric": row.metric, "value": score.value, "kind": row.kind, "settings": settings}
        | {"n": 1, "task_examples": 1}  # scores of a suite are of whole tasks
        for score in row.scores
    ]
    found = Counter(shown["reproduced"].verdict for shown in with_reproductions(ours, scores) if shown["reproduced"])
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in ("OK", "close", "off") if found[verdict]) or None
