"""The tasks over texts as bytes: film reviews, pairs of papers, and pairs of passages."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.lra import imdb, pairs
from tasks.lra.splits import Read
from tasks.lra.task import LRA_CITATION, LRA_URL, SequenceTask

_MAAS = "Maas et al. (2011): Learning Word Vectors for Sentiment Analysis. ACL 2011"
_REVIEWS = "reviews © their authors and IMDb; released for research, no licence stated"
_WIDTH = 1000


def _length(data: bytes) -> Mapping[str, str]:
    start = min(len(data) // _WIDTH * _WIDTH, imdb.LENGTH - _WIDTH)
    return {"length": f"{start}-{start + _WIDTH - 1}"}


TEXT = SequenceTask(
    name="lra/text",
    description="Is a film review positive or negative? The first 4,000 bytes of it.",
    labels=imdb.LABELS,
    source=Read("lra/imdb", imdb.FILES, imdb.read, imdb.HINT),
    licence=_REVIEWS,
    citation=f"{LRA_CITATION}; {_MAAS}",
    url="https://ai.stanford.edu/~amaas/data/sentiment",
    groups=_length,
)

RETRIEVAL = SequenceTask(
    name="lra/retrieval",
    description="Does one paper cite the other? The first 4,000 bytes of each, with a zero byte between them.",
    labels=pairs.LABELS,
    source=Read("lra/aan", (pairs.AAN,), pairs.papers, "Files of Long Range Arena's lra_release.gz, folder tsv_data."),
    licence="ACL Anthology Network; research use",
    url=LRA_URL,
)

BYTE_MATCH = SequenceTask(
    name="lra/byte-match",
    description=(
        "Are two passages of 512 bytes of the same film review? Not a task of Long Range Arena; of the kind of its "
        "retrieval, whose texts are hard to get."
    ),
    labels=pairs.LABELS,
    source=Read("lra/imdb", imdb.FILES, pairs.passages, imdb.HINT),
    licence=_REVIEWS,
    citation=_MAAS,
    url="https://ai.stanford.edu/~amaas/data/sentiment",
    marks=("stand-in",),
)
