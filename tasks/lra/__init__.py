"""Long Range Arena (Tay et al., ICLR 2021): long sequences of symbols to label, and small ones of the same kinds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract import Suite, Task
from harness.errors import DataError
from harness.metrics.classification import ACCURACY
from tasks.lra import digits, graph_tasks, image_tasks, listops_tasks, text_tasks
from tasks.lra.listops_files import RELEASED

_FIVE = ("lra/listops", "lra/text", "lra/retrieval", "lra/image", "lra/pathfinder")
_SMALL = ("lra/digits", "lra/listops-small")


class LraFamily:
    """The tasks of Long Range Arena, stand-ins for what is hard to get, and a tier that a processor learns."""

    name = "lra"

    def tasks(self) -> Sequence[Task]:
        return [
            listops_tasks.LISTOPS,
            listops_tasks.LISTOPS_RELEASED,
            text_tasks.TEXT,
            text_tasks.RETRIEVAL,
            text_tasks.BYTE_MATCH,
            image_tasks.IMAGE,
            image_tasks.IMAGE_JPEG,
            image_tasks.MNIST,
            image_tasks.PATHFINDER,
            image_tasks.PATH_X,
            image_tasks.PATHFINDER_LITE,
            graph_tasks.GRAPH_SEARCH,
            graph_tasks.CONNECTIVITY,
            digits.TASK,
            listops_tasks.LISTOPS_SMALL,
            image_tasks.MNIST_SMALL,
        ]

    def suites(self) -> Sequence[Suite]:
        """The two averages that papers print, and the small tier."""
        return [
            _suite("lra/average-5", _FIVE, "Long Range Arena without Path-X."),
            _suite("lra/average-6", (*_FIVE, "lra/path-x"), "All of Long Range Arena. A failure is never filled in."),
            _suite("lra/small", _SMALL, "What a processor learns in about a minute each."),
        ]

    def open(self, path: Path) -> Task:
        """ListOps from a folder with the three files that were released. Raises `DataError` if it is none."""
        folder = path.expanduser().resolve()
        if missing := [name for name in RELEASED if not (folder / name).is_file()]:
            raise DataError(
                f"{folder} has no {' and no '.join(missing)}",
                hint="A task of your own is a folder with ListOps in three TSV files, as it was released.",
            )
        return listops_tasks.of_files(f"lra:{folder.name}", str(folder))


def _suite(name: str, members: tuple[str, ...], description: str) -> Suite:
    return Suite(name=name, members=members, metrics=(ACCURACY,), description=description)


FAMILY = LraFamily()
