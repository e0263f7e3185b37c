"""CodeXGLUE's WebQueryTest: does a function answer a web query? 1,046 pairs whose labels were never published.

Whoever has labels (of CoSQA's own pairs, say) puts them beside the pairs, in the format of its evaluator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from harness.contract import (
    Classes,
    DataStatus,
    Example,
    Failure,
    FloatArray,
    Inputs,
    Metric,
    Places,
    Prediction,
    Request,
    TaskCard,
    Workload,
)
from harness.digest import combined_digest, file_digest
from harness.errors import DataError, InvalidPrediction
from harness.metrics.aggregate import mean
from tasks.codesearchnet.reco import decoded

PROTOCOL = "webquery-1"
LABELS = ("0", "1")


class _Pair(msgspec.Struct, frozen=True):
    idx: str
    doc: str
    code: str


class PairLabels:
    """Scores a label for each pair."""

    metrics: Sequence[Metric] = [
        Metric("accuracy", mean("accuracy"), description="The share of pairs that are labelled right.")
    ]

    def __init__(self, gold: Mapping[str, str]) -> None:
        self._gold = gold

    def check(self, prediction: Prediction) -> None:
        """Pass a label or a `Failure`. Raises `InvalidPrediction` for anything else."""
        match prediction.output:
            case Failure() | Classes("0" | "1"):
                return
        raise InvalidPrediction(f"{prediction.id}: the answer is not one of {LABELS}", hint="1: the code answers.")

    def columns(self, example_ids: Sequence[str], predictions: Mapping[str, Prediction]) -> dict[str, FloatArray]:
        """1 for a right label, 0 for a wrong or a missing one: name → [n]."""
        outputs = [predictions[id].output if id in predictions else None for id in example_ids]
        said = [output.label if isinstance(output, Classes) else "" for output in outputs]
        return {"accuracy": np.array([float(s == self._gold[id]) for id, s in zip(example_ids, said, strict=True)])}

    def gold(self, example_id: str) -> str:
        return self._gold[example_id]


@dataclass(frozen=True)
class WebQueryTask:
    """A binary classification of query and code."""

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name="codesearchnet/webquery",
            family="codesearchnet",
            protocol=PROTOCOL,
            primary_metric="accuracy",
            needs=frozenset({"classes"}),
            description="Does the function answer the web query? 1,046 pairs; their labels were never published.",
            licence="C-UDA",
            citation="Lu et al. (2021): CodeXGLUE. arXiv:2102.04664",
            url="https://github.com/microsoft/CodeXGLUE/tree/main/Text-Code/NL-code-search-WebQuery",
        )

    def status(self, places: Places) -> DataStatus:
        folder = places.data / "codesearchnet" / "webquery"
        names = ("test_webquery.json", "answers.txt")
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            return DataStatus("manual", str(folder), f"no {missing[0]}: the labels are not public")
        return DataStatus("here", str(folder))

    def load(self, places: Places) -> Workload:
        """Raises `DataError` if there are no labels, or not one for each pair."""
        folder = places.data / "codesearchnet" / "webquery"
        file, answers = folder / "test_webquery.json", folder / "answers.txt"
        pairs = decoded(file, list[_Pair])
        try:
            gold = dict(line.split() for line in answers.read_text(encoding="utf-8").splitlines() if line.strip())
        except (OSError, ValueError) as error:
            hint = "One `idx label` a line, the label 0 or 1. The labels of WebQueryTest itself are not public."
            raise DataError(f"cannot read {answers}: {error}", hint=hint) from error
        if lost := [pair.idx for pair in pairs if gold.get(pair.idx) not in LABELS]:
            raise DataError(f"{answers} has no label 0 or 1 for {lost[0]!r}; {len(lost):,} pairs have none")
        return Workload(
            inputs=Inputs(request=Request(labels=LABELS)),
            examples=[Example(pair.idx, f"{pair.doc}\n{pair.code}") for pair in pairs],
            scorer=PairLabels(gold),
            digest=combined_digest(protocol=PROTOCOL, pairs=file_digest(file), answers=file_digest(answers)),
            facts={"pairs": len(pairs)},
        )
