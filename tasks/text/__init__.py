"""Bits per byte of any text: how well a language model foresees it, on equal footing whatever its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contract import Task
from tasks.text.task import TextFileTask, TextTask


class TextFamily:
    """One text that every Python has, and files of the user's own."""

    name = "text"

    def tasks(self) -> Sequence[Task]:
        return [TextTask()]

    def open(self, path: Path) -> Task:
        """A text file in UTF-8. Raises `harness.errors.DataError` if there is none."""
        return TextFileTask.open(path)


FAMILY = TextFamily()
