"""What a suite is: tasks whose scores are averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.contract.task import Metric


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tasks under one name, whose scores are averaged with equal weight.

    A member is the name of a task, or another suite, which counts once with its own average. The average runs over
    the members that have a score, and is shown only with its coverage, as "3 of 18": a task has a score when all its
    examples were asked, a suite when all its tasks have one. Averages over different members, or over different
    versions of a task's data or protocol, are never ranked together.
    """

    name: str
    """Such as `beir/18`; no task has the same."""
    members: tuple[str | Suite, ...]
    metrics: Sequence[Metric]
    """The metrics that are averaged, the primary one first, as the scorers of the tasks have them."""
    description: str
    sizes: tuple[int, ...] = ()
    """Where the members are one task in growing sizes: the bytes of context of each, for effective limits."""

    def tasks(self) -> Iterator[str]:
        """The names of all tasks, those of member suites in the place of the suite."""
        for member in self.members:
            if isinstance(member, Suite):
                yield from member.tasks()
            else:
                yield member
