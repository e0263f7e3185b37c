"""Questions of the user's own: JSON lines of prompts and accepted answers, with as many samples as they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract import Suite, Task
from tasks.questions.task import QuestionsTask


class QuestionsFamily:
    """No tasks of its own, only files: `--task questions:FILE`."""

    name = "questions"

    def tasks(self) -> Sequence[Task]:
        return []

    def suites(self) -> Sequence[Suite]:
        return []

    def open(self, path: Path) -> Task:
        """A file of questions. Raises `harness.errors.DataError` if there is none."""
        return QuestionsTask.open(path)


FAMILY = QuestionsFamily()
