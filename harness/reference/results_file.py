"""Results files that BEIR and MTEB write: scores without the answers behind them, checked as far as that goes.

BEIR: what `EvaluateRetrieval.evaluate` returns, dumped as JSON (its four dictionaries, in a list or merged), or what
`beir.util.save_results` writes. MTEB: a task's result, of version 1.11 and later (`scores` by split and subset) or of
the versions before (`mteb_dataset_name`, a dictionary for each split).
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import DataError, InputError, nearest
from harness.plain import brief, plain

_MAX_BYTES = 16 << 20
_MTEB_TASKS = Path(__file__).parent / "mteb_tasks.csv"
_MOST_DIGITS = 17  # of a float, all that there are

METRICS = {
    "nDCG@10": ("NDCG@10", "ndcg_at_10"),
    "R@100": ("Recall@100", "recall_at_100"),
    "R@1000": ("Recall@1000", "recall_at_1000"),
    "AP": ("MAP@1000", "map_at_1000"),
    "RR@10": ("MRR@10", "mrr_at_10"),
}
"""Our names of the metrics, and what BEIR and MTEB call them."""
_OURS = {name: ours for ours, names in METRICS.items() for name in (ours, *names)}
_OTHER_METRIC = re.compile(r"(NDCG|MAP|Recall|P|MRR|R_cap|Hole|Accuracy)@\d+")


@dataclass(frozen=True)
class ResultsFile:
    """The scores of one file, in our names."""

    name: str
    """The file's name, without its folder."""
    digest: str
    """sha256 of its content."""
    origin: str
    """Such as `BEIR` or `MTEB 1.12.75`."""
    task: str | None
    """The task that it names, in our names; None if it names none."""
    scores: Mapping[str, Decimal]
    passed_over: tuple[str, ...]
    """Metrics that are known, but not ones that tasks have here."""


def read(path: Path) -> ResultsFile:
    """Read and check a results file.

    Raises `DataError` for a file that cannot be read, above 16 MiB, no JSON or in neither layout; `InputError` for a
    metric or a task of MTEB that is unknown and for a value that is not a number between 0 and 1.
    """
    content = _content(path)
    data = _parsed(path, content)
    if isinstance(data, dict) and data.keys() & {"mteb_version", "mteb_dataset_name", "task_name"}:
        name = data.get("task_name", data.get("mteb_dataset_name"))
        split, task = _mteb_task(path, name) if name is not None else ("test", None)
        given = _mteb_scores(path, data, split)
        version = data.get("mteb_version")
        origin = f"MTEB {plain(brief(version, 40))}" if isinstance(version, str) else "MTEB"
    else:
        origin, task, given = "BEIR", None, _beir_scores(path, data)
    scores = {ours: _fraction(path, name, given[name]) for name, ours in _OURS.items() if name in given}
    if not scores:
        raise DataError(
            f"{path} holds none of the metrics that tasks have here",
            hint=f"They are, as BEIR and MTEB call them: {', '.join('/'.join(names) for names in METRICS.values())}.",
        )
    return ResultsFile(
        name=path.name,
        digest=hashlib.sha256(content).hexdigest(),
        origin=origin,
        task=task,
        scores={metric: scores[metric] for metric in METRICS if metric in scores},
        passed_over=tuple(name for name in given if name not in _OURS),
    )


def digits(value: Decimal) -> int:
    """Decimals that the file gives of a score."""
    exponent = value.as_tuple().exponent
    return min(max(-exponent, 0), _MOST_DIGITS) if isinstance(exponent, int) else 0


# --- JSON -----------------------------------------------------------------------------------------------------------


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise DataError(
            f"{path} is above {_MAX_BYTES >> 20} MiB, which no results file is",
            hint="A file of predictions is evaluated by a submission of kind replay.",
        )
    return content


def _parsed(path: Path, content: bytes) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise DataError(f"{path} holds {constant}, which is not a score", hint="Leave the metric out.")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{path} has {twice!r} twice in one object", hint="Keep one of them.")
        return found

    try:
        return json.loads(content, parse_float=Decimal, parse_constant=refuse, object_pairs_hook=once)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error.reason}", hint="Is it a results file at all?") from error
    except RecursionError as error:
        raise DataError(f"{path} is nested too deep for a results file") from error
    except ValueError as error:  # no JSON, or an integer of thousands of digits
        raise DataError(f"{path} is not JSON: {error}", hint="Is it a results file at all?") from error


# --- BEIR -----------------------------------------------------------------------------------------------------------


def _beir_scores(path: Path, data: Any) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    for name, value in _flat(path, data):
        if name not in _OURS and not _OTHER_METRIC.fullmatch(name):
            near = nearest(name, _OURS)
            hint = (
                f"Did you mean {near!r}?" if near else f"The metrics are {', '.join(n for n, _ in METRICS.values())}."
            )
            raise InputError(f"{path}: there is no metric {_shown(name)}", hint=hint)
        if name in scores:
            raise DataError(f"{path} has {name!r} twice", hint="Keep one of them.")
        scores[name] = value
    return scores


def _flat(path: Path, data: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of an object, of objects in a list, or of objects in an object."""
    groups = data if isinstance(data, list) else [data]
    for group in groups:
        if not isinstance(group, dict):
            raise DataError(
                f"{path} is in neither layout: expected an object of metrics",
                hint='BEIR\'s is {"NDCG@10": 0.6789, …}; MTEB\'s has "task_name" and "scores".',
            )
        for name, value in group.items():
            if isinstance(value, dict):
                yield from value.items()
            else:
                yield name, value


# --- MTEB -----------------------------------------------------------------------------------------------------------


@cache
def _mteb_tasks() -> dict[str, tuple[str, str]]:
    """MTEB's name of a task → the split that is scored, and our name."""
    rows = csv.DictReader(_MTEB_TASKS.read_text().splitlines())
    return {row["name"]: (row["split"], row["task"]) for row in rows}


def _mteb_task(path: Path, name: Any) -> tuple[str, str]:
    known = _mteb_tasks()
    if not isinstance(name, str) or name not in known:
        near = nearest(str(name), known)
        hint = f"Did you mean {near!r}?" if near else f"Those of MTEB's tasks that are here: {', '.join(known)}."
        raise InputError(f"{path} is of MTEB's task {_shown(name)}, which is not here", hint=hint)
    return known[name]


def _mteb_scores(path: Path, data: Mapping[str, Any], split: str) -> dict[str, Any]:
    splits = data.get("scores", data)
    found = splits.get(split) if isinstance(splits, dict) else None
    if isinstance(found, list):  # a dictionary for each subset: the tasks here have one, "default"
        found = found[0] if len(found) == 1 else None
    if not isinstance(found, dict):
        raise DataError(
            f"{path} has no scores of the split {split!r}, of one subset",
            hint="That is the split that the task scores here.",
        )
    return {name: value for name, value in found.items() if name in _OURS}


def _fraction(path: Path, name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        hint = "Scores are numbers between 0 and 1."
        raise InputError(f"{path}: {name} is {_shown(value)}, not a number", hint=hint)
    number = Decimal(value)
    if 1 < number <= 100:
        raise InputError(
            f"{path}: {name} is {number}, which looks like percent; scores here are fractions",
            hint=f"Divide all of them by 100: {name} would be {number.scaleb(-2).normalize():f}.",
        )
    if not 0 <= number <= 1:
        raise InputError(f"{path}: {name} is {_shown(number)}, not between 0 and 1")
    return number


def _shown(value: Any) -> str:
    return brief(str(value) if isinstance(value, Decimal) else repr(value), 60)
