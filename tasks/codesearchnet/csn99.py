"""The 99 queries of the challenge over the functions that were judged and others of the same files: a pooled test.

The challenge has up to two million candidates a language and is no longer to be had whole; this has 470 to 11,000, so
its NDCG is far above and not to be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contract import Places
from tasks.codesearchnet.collection import Code, Collection, Names, Query
from tasks.codesearchnet.judgements import read_judgements
from tasks.codesearchnet.published import PublishedFile
from tasks.codesearchnet.records import Oddities, Record, read

JUDGEMENTS = PublishedFile(
    "csn99/annotationStore.csv", "0340af32b551ceadb74fec147f97642b7fedf3ff039e38fb86baff49ee899846"
)
JUDGED = PublishedFile(
    "csn99/annotated_functions.jsonl.gz", "d647bd99d278a6e92c3fba88c6cd300766ff43cc43c534b39288314e56b6d158"
)
CONTEXT = PublishedFile(
    "csn99/context_functions_10k.jsonl.gz", "dbc3a9a0778bedee0f57e5c7d46fcb0f6ba41f551b1c44ba7bfd00bb32d830ff"
)


@dataclass(frozen=True)
class Csn99:
    """The pool of one language."""

    language: str

    def files(self, places: Places) -> Sequence[Path]:
        return [file.at(places) for file in (JUDGEMENTS, JUDGED, CONTEXT)]

    def read(self, places: Places) -> Collection:
        odd = Oddities()
        codes: dict[str, Code] = {}
        for where, record in read([file.checked(places) for file in (JUDGED, CONTEXT)], Record, places.progress):
            if record.language == self.language:
                url = record.url.lower()
                if url in codes:
                    odd.add("repeated_urls", f"{where}: {record.url} is there again")
                    continue
                codes[url] = Code(url, record.text, record.language)
        relevance = read_judgements(JUDGEMENTS.checked(places), self.language)
        return Collection(list(codes.values()), answerable(relevance, codes, odd), odd)


def answerable(
    relevance: dict[str, dict[str, float]], codes: dict[str, Code], odd: Oddities, *, drop_absent: bool = True
) -> list[Query]:
    """The queries that count. Judged functions whose code is not here are counted, and left out of the ideal ranking
    where `drop_absent`; so are queries without any relevant function."""
    name, queries = Names("q"), []
    for query, judged in relevance.items():
        for url in judged:
            if url not in codes:
                odd.add("judged_functions_without_code", f"{url} was judged for {query!r}, but its code is not here")
        grades = {url: grade for url, grade in judged.items() if url in codes or not drop_absent}
        if max(grades.values(), default=0.0) > 0:
            queries.append(Query(name(query), query, grades))
        else:
            odd.add("queries_without_relevant", f"no function is relevant to {query!r}, which is not asked")
    return queries
