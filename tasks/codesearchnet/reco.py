"""CoNaLa and APPS as ReCo searches them: every intent among the snippets, every problem among the solutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.contract import Places
from harness.errors import DataError
from tasks.codesearchnet.collection import Code, Collection, Names, Query
from tasks.codesearchnet.published import counted

CONALA = 500
_T = TypeVar("_T")


class _Intent(msgspec.Struct, frozen=True):
    intent: str
    snippet: str
    rewritten_intent: str | None = None


@dataclass(frozen=True)
class Conala:
    """The test file of CoNaLa 1.1; an intent that was rewritten is asked as it was rewritten."""

    expected: int = CONALA

    def files(self, places: Places) -> Sequence[Path]:
        return [places.data / "codesearchnet" / "conala" / "conala-test.json"]

    def read(self, places: Places) -> Collection:
        (path,) = self.files(places)
        found = decoded(path, list[_Intent])
        counted(path, "intents", self.expected, len(found))
        return paired([(each.rewritten_intent or each.intent, each.snippet) for each in found])


@dataclass(frozen=True)
class Apps:
    """The two files of ReCo's `data/apps`."""

    def files(self, places: Places) -> Sequence[Path]:
        folder = places.data / "codesearchnet" / "apps"
        return [folder / "ori-query.json", folder / "ori-code.json"]

    def read(self, places: Places) -> Collection:
        asked, answers = (decoded(path, dict[str, list[str]])["test"] for path in self.files(places))
        counted(self.files(places)[1], "solutions, one for each problem", len(asked), len(answers))
        return paired(list(zip(asked, answers, strict=True)))


def paired(pairs: Sequence[tuple[str, str]]) -> Collection:
    """Queries, each with its own code among all."""
    name_query, name_code = Names("q"), Names("c")
    codes = [Code(name_code(code), code) for _, code in pairs]
    queries = [Query(name_query(query), query, {code.id: 1}) for (query, _), code in zip(pairs, codes, strict=True)]
    return Collection(codes, queries)


def decoded(path: Path, kind: type[_T]) -> _T:
    """The JSON of a file. Raises `DataError` if it is not what was published."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}", hint="Fetch it again; docs/codesearch.md says from where.") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
