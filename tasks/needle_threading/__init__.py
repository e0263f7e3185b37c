"""Needle Threading (Roberts et al., ICLR 2025): find and follow UUIDs through haystacks of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.contract import Suite, Task
from tasks.needle_threading.haystack import BYTES_PER_PAIR
from tasks.needle_threading.published import PublishedTask
from tasks.needle_threading.sizes import BY_DEFAULT, PUBLISHED, SMALL, SMALLEST_THREADS
from tasks.needle_threading.small import SmallThreadsTask
from tasks.needle_threading.task import KINDS, NeedleTask

_IN_THE_TABLE = ("single", "multiple", "conditional", "threads", "multi-threads")


class NeedleFamily:
    """Six kinds of questions at twelve sizes, small ones of two of them, and the paper's own data where it is."""

    name = "needle"

    def tasks(self) -> Sequence[Task]:
        return [*_tasks(), SmallThreadsTask()]

    def suites(self) -> Sequence[Suite]:
        """For each kind over its sizes, for each size over the kinds of the paper's table, and the small default."""
        from tasks.needle_threading.scorer import METRICS

        kinds = [
            Suite(
                name=f"needle/{kind.name}",
                members=tuple(f"needle/{kind.name}/{pairs}" for pairs in PUBLISHED.values()),
                metrics=METRICS,
                description=f"{kind.about}: the twelve sizes of the paper.",
                sizes=tuple(pairs * BYTES_PER_PAIR for pairs in PUBLISHED.values()),
            )
            for kind in KINDS
        ]
        sizes = [
            Suite(
                name=f"needle/{pairs}",
                members=tuple(f"needle/{kind}/{pairs}" for kind in _IN_THE_TABLE),
                metrics=METRICS,
                description=f"The five kinds that the paper's table averages, at {pairs:,} pairs ({label} tokens).",
            )
            for label, pairs in PUBLISHED.items()
        ]
        small = Suite(
            name="needle/small",
            members=tuple(f"needle/single/{pairs}" for pairs in BY_DEFAULT),
            metrics=METRICS,
            description="The value of a key, in haystacks that a small language model can read.",
            sizes=tuple(pairs * BYTES_PER_PAIR for pairs in BY_DEFAULT),
        )
        return [*kinds, *sizes, small]

    def open(self, path: Path) -> Task:
        """A file of the data set that the paper published. Raises `harness.errors.DataError` if it is none."""
        return PublishedTask.open(path)


def _tasks() -> Iterator[NeedleTask]:
    for kind in KINDS:
        if kind.name in ("single", "threads"):
            least = SMALLEST_THREADS if kind.name == "threads" else 0
            yield from (NeedleTask(kind, pairs) for pairs in SMALL if pairs >= least)
        yield from (NeedleTask(kind, pairs) for pairs in PUBLISHED.values())


FAMILY = NeedleFamily()
