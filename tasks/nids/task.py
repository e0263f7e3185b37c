"""A task of the family: a data set, a feature policy, a split, two classes or several, and a window."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from harness.contract import (
    AuditRow,
    Column,
    DataStatus,
    Example,
    Inputs,
    Labelled,
    LabelledSet,
    Line,
    Places,
    Request,
    Scorer,
    TaskCard,
    Workload,
)
from harness.digest import combined_digest, file_digest
from harness.metrics.detection_scorer import ATTACK, BENIGN, DetectionScorer, Flow
from harness.metrics.multiclass import ClassScorer
from tasks.nids.audit import audit
from tasks.nids.rows import rows, windows
from tasks.nids.splits import Parts, check_both_classes
from tasks.nids.table import Flows, part, without

PROTOCOL = "nids-1"
VALIDATION_EVERY = 10
"""Of training flows, one in so many is kept for validation; of a window's, the last tenth."""


@dataclass(frozen=True, kw_only=True)
class FlowTask:
    """Flows to tell attacks from what is benign, or to name the family of an attack."""

    name: str
    description: str
    columns: tuple[Column, ...]
    """All that the data has, before the policy."""
    roles: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    """The policy: roles whose columns are taken out."""
    families: Mapping[str, str] = field(default_factory=dict)
    parts: Callable[[Places], Parts]
    """Read or made when the task is loaded."""
    status_of: Callable[[Places], DataStatus]
    names_families: bool = False
    """True if the answer is the family of the attack, and not that it is one."""
    window: int = 1
    generated: bool = False
    on_request: bool = False
    marks: tuple[str, ...] = ()
    licence: str
    citation: str
    url: str = ""

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=self.name,
            family="nids",
            protocol=PROTOCOL,
            primary_metric="macro_f1" if self.names_families else "balanced_accuracy",
            needs=frozenset({"classes", "rows"}),
            description=self.description,
            generated=self.generated,
            on_request=self.on_request,
            marks=self.marks,
            licence=self.licence,
            citation=self.citation,
            url=self.url,
        )

    def status(self, places: Places) -> DataStatus:
        return self.status_of(places)

    def load(self, places: Places) -> Workload:
        """Read the flows, audit them, and keep the training split where workers find it. Raises `DataError`."""
        parts = self.parts(places)
        check_both_classes(parts, self.name)
        columns = without(self.columns, self.roles, self.dropped)
        fitted, held = self._fitted_and_held(parts.train)
        train, validation = (self._written(flows, columns, places) for flows in (fitted, held))
        examples = [
            Example(f"f{place:07d}", row) for place, row in enumerate(windows(parts.test, columns, self.window))
        ]
        kinds = set(parts.train.kinds)
        flows = {
            example.id: Flow(kind or BENIGN, self._family(kind), bool(kind) and kind not in kinds)
            for example, kind in zip(examples, parts.test.kinds, strict=True)
        }
        labels = self._labels(parts)
        tables = audit(parts.train, parts.test, self.families)
        return Workload(
            inputs=Inputs(
                request=Request(labels=labels, columns=columns, window=self.window), train=train, validation=validation
            ),
            examples=examples,
            scorer=self._scorer(labels, flows),
            digest=combined_digest(
                protocol=PROTOCOL,
                columns=msgspec.json.encode(columns).decode(),
                labels="\n".join(labels),
                window=str(self.window),
                train=train.digest,
                validation=validation.digest,
                test=_digest(examples, parts.test),
            ),
            facts=_facts(parts, columns, len(fitted), len(held), flows),
            lines=() if self.names_families else _lines(tables["What one column gives away"]),
            audit=tables,
        )

    def _family(self, kind: str) -> str:
        return self.families.get(kind, kind).lower() if kind else ""

    def _label(self, kind: str) -> str:
        if not kind:
            return BENIGN
        return self._family(kind) if self.names_families else ATTACK

    def _labels(self, parts: Parts) -> tuple[str, ...]:
        if not self.names_families:
            return BENIGN, ATTACK
        return tuple(sorted({self._label(kind) for flows in (parts.train, parts.test) for kind in set(flows.kinds)}))

    def _scorer(self, labels: tuple[str, ...], flows: Mapping[str, Flow]) -> Scorer:
        if not self.names_families:
            return DetectionScorer(flows)
        gold = {id: flow.family or BENIGN for id, flow in flows.items()}
        return ClassScorer(labels, gold, {id: {"kind": flow.kind} for id, flow in flows.items()})

    def _fitted_and_held(self, train: Flows) -> tuple[Flows, Flows]:
        every = range(len(train))
        if self.window > 1:
            cut = len(train) - len(train) // VALIDATION_EVERY
            return part(train, every[:cut]), part(train, every[cut:])
        held = every[VALIDATION_EVERY - 1 :: VALIDATION_EVERY]
        return part(train, sorted(set(every) - set(held))), part(train, held)

    def _written(self, flows: Flows, columns: tuple[Column, ...], places: Places) -> LabelledSet:
        import pandas as pd

        content = hashlib.sha256(pd.util.hash_pandas_object(flows.features, index=False).to_numpy().tobytes())
        content.update("\n".join([self.name, *map(self._label, flows.kinds)]).encode())
        content.update(msgspec.json.encode([columns, PROTOCOL]))
        path = places.cache / "nids" / f"{content.hexdigest()}.msgpack"
        if path.is_file():
            return LabelledSet(str(path), len(flows), file_digest(path))
        labels = map(self._label, flows.kinds)
        records = (
            Labelled(f"t{place:07d}", row, label)
            for place, (row, label) in enumerate(zip(rows(flows, columns), labels, strict=True))
        )
        return LabelledSet.write(path, records)


def _digest(examples: list[Example], test: Flows) -> str:
    content = hashlib.sha256()
    encode = msgspec.msgpack.Encoder().encode
    for example, kind in zip(examples, test.kinds, strict=True):
        content.update(encode([example.input, kind]))
    return content.hexdigest()


def _facts(
    parts: Parts, columns: tuple[Column, ...], fitted: int, held: int, flows: Mapping[str, Flow]
) -> dict[str, int | float | str]:
    attacks = sum(bool(flow.family) for flow in flows.values())
    facts: dict[str, int | float | str] = {
        "train": fitted,
        "validation": held,
        "test": len(parts.test),
        "features": len(columns),
        "attacks_in_test": attacks,
        "attack_share_of_test": round(attacks / len(parts.test), 4),
        "flows_of_unseen_types": sum(flow.is_unseen for flow in flows.values()),
    }
    mended: dict[str, int] = {}
    for found in (parts.train.mended, parts.test.mended):
        for what, count in found.items():
            mended[what.replace(" ", "_").replace(",", "")] = max(count, mended.get(what, 0))
    return facts | mended | ({"duplicates_removed": parts.removed} if parts.removed else {})


def _lines(columns: Sequence[AuditRow]) -> list[Line]:
    """A majority vote, and the one cut on one column that is best in training."""
    best = max(columns, key=lambda row: float(row["one cut, in training"] or 0))
    value = float(best["one cut, balanced accuracy"] or 0)
    return [
        Line("majority", 0.5, "floor", "The more common label for every flow."),
        Line(f"one cut on {best['column']}", value, "floor", "The single comparison that is best in training."),
    ]
