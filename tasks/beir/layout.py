"""Which files a folder in BEIR layout holds: corpus.jsonl, queries.jsonl and qrels/<split>.tsv."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError

HINT = "A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv."


@dataclass(frozen=True)
class Layout:
    """A folder and the split of its judgements that is evaluated."""

    folder: Path
    split: str

    @classmethod
    def of(cls, folder: Path) -> Layout:
        """The split `test`, else `dev`, else the only one. Raises `DataError` if that says nothing."""
        splits = [path.stem for path in (folder / "qrels").glob("*.tsv")]
        return cls(folder, choose_split(splits, f"{folder}/qrels"))

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus.jsonl"

    @property
    def queries(self) -> Path:
        return self.folder / "queries.jsonl"

    @property
    def qrels(self) -> Path:
        return self.folder / "qrels" / f"{self.split}.tsv"

    def missing(self) -> list[Path]:
        """Files of the layout that are not there."""
        return [path for path in (self.corpus, self.queries, self.qrels) if not path.is_file()]

    def require(self) -> None:
        """Raise `DataError` if a file is missing."""
        missing = self.missing()
        if not missing:
            return
        zipped = [packed for path in missing if (packed := path.with_name(f"{path.name}.gz")).is_file()]
        hint = f"Unpack it first: gunzip --keep {zipped[0]}" if zipped else HINT
        raise DataError(f"{self.folder} is not a complete BEIR folder: no {names(missing)}", hint=hint)


def choose_split(splits: Iterable[str], where: str) -> str:
    """`test`, else `dev`, else the only one (`test` if there is none). Raises `DataError` for any other choice."""
    found = sorted(splits)
    usual = [split for split in ("test", "dev") if split in found]
    if not usual and len(found) > 1:
        raise DataError(
            f"{where} has several splits and none is called test or dev: {', '.join(found)}",
            hint="Rename the one to evaluate to test.tsv.",
        )
    return (usual or found or ["test"])[0]


def names(paths: Iterable[Path]) -> str:
    """The files as the layout calls them."""
    return ", ".join(path.name if path.suffix == ".jsonl" else f"qrels/{path.name}" for path in paths)
