"""Long Range Arena (Tay et al., ICLR 2021): long sequences of symbols to label, and small ones of the same kinds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract import Suite, Task
from harness.errors import DataError
from harness.metrics.classification import ACCURACY
from tasks.lra.digits import TASK as DIGITS
from tasks.lra.listops_tasks import LISTOPS, LISTOPS_SMALL


class LraFamily:
    """The tasks of Long Range Arena, stand-ins for what cannot be had, and a tier that a processor learns."""

    name = "lra"

    def tasks(self) -> Sequence[Task]:
        return [LISTOPS, LISTOPS_SMALL, DIGITS]

    def suites(self) -> Sequence[Suite]:
        """The small tier."""
        return [
            Suite(
                name="lra/small",
                members=(LISTOPS_SMALL.name, DIGITS.name),
                metrics=(ACCURACY,),
                description="What a processor learns in about a minute each.",
            )
        ]

    def open(self, path: Path) -> Task:
        """Raises `DataError`: there is no layout of a user's own yet."""
        raise DataError(f"{path}: the family lra reads no data of yours yet")


FAMILY = LraFamily()
