"""What a model notes of each answer, in a file that outlasts a crash: so findings are of all attempts at a run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from harness.errors import RunFailed

_Note = TypeVar("_Note")


class AnswerNotes(Generic[_Note]):
    """One note for each example, as JSON lines in the run's scratch folder; of several notes the last counts.

    A batch that was noted but not stored is asked again after a crash, and so noted twice.
    """

    def __init__(self, scratch: Path, note: type[_Note]) -> None:
        self._path, self._note = scratch / "answer-notes.jsonl", note

    def add(self, notes: Mapping[str, _Note]) -> None:
        """Append notes by example id. Raises `RunFailed` if they cannot be written."""
        # The break comes first: it ends a line that a crash left half-written.
        lines = b"".join(b"\n" + msgspec.json.encode(note) for note in notes.items())
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(lines)
        except OSError as error:
            raise RunFailed(f"cannot write {self._path}: {error.strerror}") from error

    def all(self) -> dict[str, _Note]:
        """All notes by example id; a line that a crash left half-written is none."""
        found: dict[str, _Note] = {}
        if self._path.is_file():
            with self._path.open("rb") as lines:
                for line in lines:
                    with suppress(msgspec.DecodeError, UnicodeDecodeError):
                        id, note = msgspec.json.decode(line, type=tuple[str, msgspec.Raw])
                        found[id] = msgspec.json.decode(note, type=self._note)
        return found
