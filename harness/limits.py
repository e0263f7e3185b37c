"""The command about effective limits: up to which size of context each submission's score holds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import registry
from harness.contract import Metric, Suite
from harness.errors import InputError, UnknownName
from harness.metrics import effective_limit
from harness.metrics.bootstrap import draws
from harness.metrics.effective_limit import Limit
from harness.store import Database, open_database, read_examples
from harness.suite import Entry, entries
from harness.terminal import print_json, print_table

if TYPE_CHECKING:
    from harness.contract import FloatArray


@dataclass(frozen=True)
class LimitRow:
    """The limits of a submission, over all examples or over those of a group."""

    submission: str
    submission_digest: str
    runs_code: bool
    group: str
    """Empty for all examples."""
    covered: int
    sizes: int
    scores: dict[int, float]
    """By size."""
    fixed: Limit
    relative: Limit
    contour: Limit


def show(
    name: str,
    db: str,
    *,
    as_json: bool,
    metric: str = "",
    threshold: float = effective_limit.FIXED,
    share: float = effective_limit.RELATIVE,
    by: str = "",
) -> None:
    """Print the limits. Raises `UnknownName`, and `InputError` for a suite whose members are not sizes of one task."""
    suite = registry.suite(name)
    if len(suite.sizes) != len(list(suite.tasks())):
        sized = [known.name for known in registry.suites() if known.sizes]
        raise InputError(f"the members of {name} are not sizes of one task", hint=f"Those of {', '.join(sized)} are.")
    chosen = _metric(suite, metric)
    database = open_database(db, create=False)
    rows = list(limit_rows(database, suite, chosen, threshold, share, by))
    if as_json:
        print_json([_plain(row) for row in rows])
    elif rows:
        _print(suite, chosen, rows, threshold, share, by)
    else:
        print(f"No results over {name} yet. `harness eval submissions/needle-lookup.yaml --task {name}` makes some.")


def limit_rows(
    database: Database, suite: Suite, metric: Metric, threshold: float, share: float, by: str = ""
) -> Iterator[LimitRow]:
    """A row for each submission that ran a size, or for each of its groups; sizes that were not run are left out."""
    for entry in entries(database, suite, [metric])[metric.name]:
        curves = _grouped(database, suite, metric, entry, by) if by else {"": _whole(suite, entry)}
        for group, curve in curves.items():
            if not curve:
                continue
            sizes = sorted(curve)
            scores = np.array([curve[size][0] for size in sizes])
            drawn = np.array([curve[size][1] for size in sizes])
            yield LimitRow(
                submission=entry.submission,
                submission_digest=entry.submission_digest,
                runs_code=entry.runs_code,
                group=group,
                covered=len(sizes),
                sizes=len(suite.sizes),
                scores=dict(zip(sizes, scores.tolist(), strict=True)),
                fixed=effective_limit.fixed(sizes, scores, drawn, threshold),
                relative=effective_limit.relative(sizes, scores, drawn, share),
                contour=effective_limit.contour(sizes, scores, drawn, threshold),
            )


_Curve = dict[int, tuple[float, "FloatArray"]]
"""By size: the score, and its resamples."""


def _whole(suite: Suite, entry: Entry) -> _Curve:
    return {
        size: (score.value, score.draws)
        for task, size in zip(suite.tasks(), suite.sizes, strict=True)
        if (score := entry.scores.get(task)) and score.draws is not None
    }


def _grouped(database: Database, suite: Suite, metric: Metric, entry: Entry, by: str) -> dict[str, _Curve]:
    """A curve for each value of the group; examples of a group are resampled by themselves."""
    curves: defaultdict[str, _Curve] = defaultdict(dict)
    for seed, (task, size) in enumerate(zip(suite.tasks(), suite.sizes, strict=True)):
        if score := entry.scores.get(task):
            _, columns = read_examples.example_scores(database, score.run)
            groups = [_group(gold, by) for gold in read_examples.example_gold(database, score.run)]
            for group in dict.fromkeys(groups):
                some = np.array([it == group for it in groups])
                its = {name: column[some] for name, column in columns.items()}
                value = float(metric.aggregate(its, np.ones((1, int(some.sum()))))[0])
                (drawn,) = draws([metric], [its], int(some.sum()), seed=seed)
                curves[group][size] = value, drawn[metric.name]
    return dict(sorted(curves.items(), key=lambda item: (len(item[0]), item[0])))


def _group(gold: Any, by: str) -> str:
    groups = gold.get("groups", {}) if isinstance(gold, dict) else {}
    if by not in groups:
        raise UnknownName("group", by, groups)
    return str(groups[by])


def _metric(suite: Suite, name: str) -> Metric:
    known = {metric.name: metric for metric in suite.metrics}
    if name and name not in known:
        raise UnknownName("metric", name, known)
    return known[name] if name else suite.metrics[0]


def _plain(row: LimitRow) -> dict[str, Any]:
    limits = {"fixed": row.fixed, "relative": row.relative, "contour": row.contour}
    return {
        "submission": row.submission,
        "submission_digest": row.submission_digest,
        "runs_code": row.runs_code,
        "group": row.group,
        "covered": row.covered,
        "sizes": row.sizes,
        "scores": row.scores,
        **{name: _limit(limit) for name, limit in limits.items()},
    }


def _limit(limit: Limit) -> dict[str, Any]:
    """JSON has no infinity: null is beyond the largest size, 0 below the smallest."""
    ends = {"value": limit.value, "low": limit.low, "high": limit.high}
    return {name: None if math.isinf(end) else end for name, end in ends.items()} | {"text": str(limit)}


def _print(suite: Suite, metric: Metric, rows: Sequence[LimitRow], threshold: float, share: float, by: str) -> None:
    columns = ["submission", *([by] if by else []), "sizes", "fixed", "relative", "contour"]
    table = [
        [
            row.submission + (" [own code]" if row.runs_code else ""),
            *([row.group] if by else []),
            f"{row.covered} of {row.sizes}",
            *map(str, (row.fixed, row.relative, row.contour)),
        ]
        for row in rows
    ]
    print_table(columns, table, whole=tuple(columns[1:]))
    print(f"\nBytes of context up to which {metric.name} holds, with 95 % intervals, over {suite.name}:")
    print(f"fixed: at least {threshold:g} at every size; relative: at least {share:g} of the score at the smallest;")
    print(f'contour: where it first falls below {threshold:g}. ">" is beyond the largest size that was run.')
