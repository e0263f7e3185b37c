"""CoSQA: 500 questions that people typed into Bing, each with one of 6,267 Python functions (Huang et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.contract import Places
from tasks.codesearchnet.collection import Code, Collection, Query
from tasks.codesearchnet.published import PublishedFile, counted
from tasks.codesearchnet.reco import decoded

CODES = PublishedFile("cosqa/code_idx_map.txt", "be8a910ca03cb9f1b38a0eba6dc8109eeb8040a40aaba1a467a7b8426d261f3f")
TEST = PublishedFile(
    "cosqa/cosqa-retrieval-test-500.json", "27d3552b2e7dd86cf9f9a0b3c135e6777d4faafa9c29fb1b9b01ece945974ad6"
)
DEV = PublishedFile(
    "cosqa/cosqa-retrieval-dev-500.json", "ccdfffee7ae1f1cf1a0406566a61c984f4fbce678c8ea108eedd03d11bff9518"
)
CITATION = (
    "Huang, Tang, Shou, Gong, Xu, Jiang, Zhou, Duan (2021): CoSQA: 20,000+ Web Queries for Code Search and Question "
    "Answering. ACL 2021"
)


class _Question(msgspec.Struct, frozen=True):
    idx: str
    doc: str
    retrieval_idx: int


@dataclass(frozen=True)
class CosQa:
    """The retrieval set, with the docstring in the code as it was published. The dev questions are for validation."""

    def files(self, places: Places) -> Sequence[Path]:
        return [file.at(places) for file in (CODES, TEST, DEV)]

    def read(self, places: Places) -> Collection:
        path = CODES.checked(places)
        numbers = decoded(path, dict[str, int])
        codes = {number: Code(str(number), text) for text, number in numbers.items()}
        counted(path, "codes", 6267, len(codes))
        test = decoded(TEST.checked(places), list[_Question])
        dev = decoded(DEV.checked(places), list[_Question])
        counted(TEST.at(places), "questions", 500, len(test))
        return Collection(
            codes=list(codes.values()),
            queries=[Query(q.idx, q.doc, {str(q.retrieval_idx): 1}) for q in test],
            validation=[(q.doc, codes[q.retrieval_idx]) for q in dev],
        )
