"""A task of the family: sequences of symbols to label, in three splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.contract import (
    DataStatus,
    Example,
    Inputs,
    Labelled,
    Line,
    Places,
    Request,
    TaskCard,
    Workload,
)
from harness.digest import combined_digest
from harness.metrics.classification import ACCURACY, LabelScorer
from tasks.lra.splits import Source, Written, symbols

PROTOCOL = "lra-1"
LRA_CITATION = (
    "Tay et al. (2021): Long Range Arena: A Benchmark for Efficient Transformers. ICLR 2021, arXiv:2011.04006"
)
LRA_URL = "https://github.com/google-research/long-range-arena"

Groups = Callable[[bytes], Mapping[str, str]]
Lines = Callable[[Mapping[str, str], Sequence[Labelled]], Sequence[Line]]


def _no_groups(data: bytes) -> Mapping[str, str]:
    return {}


def _no_lines(by_first: Mapping[str, str], test: Sequence[Labelled]) -> Sequence[Line]:
    return ()


@dataclass(frozen=True, kw_only=True)
class SequenceTask:
    """Sequences of one kind, and the label of each."""

    name: str
    description: str
    labels: tuple[str, ...]
    source: Source
    generated: bool = False
    licence: str
    citation: str = LRA_CITATION
    url: str = ""
    marks: tuple[str, ...] = ()
    groups: Groups = field(default=_no_groups)
    """The subgroups of a test sequence, for analyses."""
    lines: Lines = field(default=_no_lines)
    """Rungs, of the label that each first symbol has most often in training and of the test split."""

    @property
    def card(self) -> TaskCard:
        return TaskCard(
            name=self.name,
            family="lra",
            protocol=PROTOCOL,
            primary_metric=ACCURACY.name,
            needs=frozenset({"classes", "sequences"}),
            description=self.description,
            generated=self.generated,
            marks=self.marks,
            licence=self.licence,
            citation=self.citation,
            url=self.url,
        )

    def status(self, places: Places) -> DataStatus:
        return self.source.status(places)

    def load(self, places: Places) -> Workload:
        """Make or read the splits. Raises `harness.errors.DataError` if they are missing or broken."""
        written = self.source.written(self.name, places)
        test = list(written.test)
        gold = {row.id: row.label for row in test}
        groups = {row.id: self.groups(symbols(row)) for row in test}
        seen = _Seen(written)
        return Workload(
            inputs=Inputs(request=Request(labels=self.labels), train=written.train, validation=written.validation),
            examples=[Example(row.id, row.input, groups=dict(groups[row.id])) for row in test],
            scorer=LabelScorer(self.labels, gold, groups),
            digest=combined_digest(
                protocol=PROTOCOL,
                labels="\n".join(self.labels),
                train=written.train.digest,
                validation=written.validation.digest,
                test=written.test.digest,
            ),
            facts={
                "train": len(written.train),
                "validation": len(written.validation),
                "test": len(test),
                "longest": max(seen.longest, *(len(symbols(row)) for row in test)),
            },
            lines=self.lines(seen.by_first_symbol(), test),
            audit=seen.audit(test, self.labels),
        )


class _Seen:
    """What one pass over the training and validation splits shows."""

    def __init__(self, written: Written) -> None:
        self.longest = 0
        self._labels: dict[str, Counter[str]] = {"train": Counter(), "validation": Counter()}
        self._first: dict[str, Counter[str]] = {}
        self._hashes: dict[str, dict[bytes, str]] = {"train": {}, "validation": {}}
        self._repeated: Counter[str] = Counter()
        for split, rows in (("train", written.train), ("validation", written.validation)):
            for row in rows:
                data = symbols(row)
                self.longest = max(self.longest, len(data))
                self._labels[split][row.label] += 1
                if split == "train":
                    self._first.setdefault(chr(data[0]) if data else "", Counter())[row.label] += 1
                known, digest = self._hashes[split], hashlib.sha256(data).digest()
                self._repeated[split] += digest in known
                known[digest] = row.label

    def by_first_symbol(self) -> dict[str, str]:
        """The label that sequences with each first symbol have most often in training."""
        return {symbol: counts.most_common(1)[0][0] for symbol, counts in self._first.items()}

    def audit(self, test: Sequence[Labelled], labels: Sequence[str]) -> dict[str, list[dict[str, str | int]]]:
        """How the labels are spread, and which sequences the splits share."""
        in_test = Counter(row.label for row in test)
        spread: list[dict[str, str | int]] = [
            {"label": label, **{split: self._labels[split][label] for split in self._labels}, "test": in_test[label]}
            for label in labels
        ]
        found: list[dict[str, str | int]] = []
        train, validation = self._hashes["train"], self._hashes["validation"]
        tested: dict[bytes, str] = {}
        repeated = 0
        for row in test:
            digest = hashlib.sha256(symbols(row)).digest()
            repeated += digest in tested
            tested[digest] = row.label
        overlaps = (
            ("train, more than once", self._repeated["train"], 0),
            ("test, more than once", repeated, 0),
            ("train and validation", *_shared(train, validation)),
            ("train and test", *_shared(train, tested)),
            ("validation and test", *_shared(validation, tested)),
        )
        for where, count, differing in overlaps:
            if count:
                found.append({"the same sequence in": where, "sequences": count, "with another label": differing})
        tables = {"Examples by label": spread}
        return tables | ({"Sequences that are there twice": found} if found else {})


def _shared(one: Mapping[bytes, str], other: Mapping[bytes, str]) -> tuple[int, int]:
    common = one.keys() & other.keys()
    return len(common), sum(one[digest] != other[digest] for digest in common)
