"""Every BEIR collection by name, with the counts that tell a whole one from half of one.

Counts are those of the metadata of ir_datasets 0.6.3, md5 and sizes of zips those of its list of downloads; a test
compares. For the four collections that cannot be downloaded, judgements are those that Anserini's tests count in its
copies (castorini/anserini, RelevanceJudgmentsTest), documents and queries those of BEIR's table.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.beir.download import PublicZip

CITATION = (
    "Thakur, Reimers, Rücklé, Srivastava, Gurevych (2021): BEIR: A Heterogeneous Benchmark for Zero-shot "
    "Evaluation of Information Retrieval Models. arXiv:2104.08663"
)


@dataclass(frozen=True)
class Collection:
    """A collection: its sizes, its terms and where it comes from."""

    name: str
    documents: int
    queries: int
    """Queries that the split judges."""
    judgements: int
    about: str
    licence: str
    """What is known of it, and who says so."""
    split: str = "test"
    archive: PublicZip | None = None
    """None: there is no public zip in BEIR layout."""
    ir_datasets: str = ""
    """Its id in ir_datasets, empty if it has none."""
    by_hand: str = ""
    """How to get it, where it cannot be downloaded; docs/beir.md says more."""
    citation: str = CITATION
    exact: bool = True
    """False where users make the corpus themselves, and published counts differ a little."""


def _zip(name: str, md5: str, bytes: int, key: str = "", folder: str = "") -> PublicZip:
    return PublicZip(name, folder or name, md5, bytes, key or name)


_ZIPS = {
    archive.name: archive
    for archive in (
        _zip("arguana", "8ad3e3c2a5867cdced806d6503f29b99", 3_773_617),
        _zip("climate-fever", "8b66f0a9126c521bae2bde127b4dc99d", 1_228_666_652),
        _zip("cqadupstack", "4e41456d7df8ee7760a7f866133bda78", 5_343_728_040),
        _zip("dbpedia-entity", "c2a39eb420a3164af735795df012ac2c", 639_285_131),
        _zip("fever", "5a818580227bfb4b35bb6fa46d9b6c03", 1_236_988_269),
        _zip("fiqa", "17918ed23cd04fb15047f73e6c3bd9d9", 17_948_027),
        _zip("hotpotqa", "f412724f78b0d91183a0e86805e16114", 654_025_350),
        _zip("msmarco", "444067daf65d982533ea17ebd59501e4", 1_082_258_632),
        _zip("nfcorpus", "a89dba18a62ef92f7d323ec890a0d38d", 2_448_432),
        _zip("nq", "d4d3d2e48787a744b6f6e691ff534307", 498_307_926),
        _zip("quora", "18fb154900ba42a600f84b839c173167", 15_853_968),
        _zip("scidocs", "38121350fc3a4d2f48850f6aff52e4a9", 142_471_588),
        _zip("scifact", "5f7d1de60b170fc8027bb7898e2efca1", 2_816_079),
        _zip("trec-covid", "ce62140cb23feb9becf6270d0d1fe6d1", 73_876_720),
        # BEIR replaced its zip of Touché; ir_datasets calls the present one version 2 and keeps the first.
        _zip("webis-touche2020", "46f650ba5a527fc69e0a6521c5a23563", 227_132_363, "webis-touche2020/v2"),
        _zip(
            "webis-touche2020-v1",
            "5ec7f8b18481fc2e9b3964ad1b22dd28",
            227_137_373,
            "webis-touche2020",
            "webis-touche2020",
        ),
    )
}

_UNSTATED = "not stated (MTEB: not specified)"


def _mteb(licence: str) -> str:
    """A licence as the task metadata of MTEB 2.26 gives it."""
    return f"{licence} (says MTEB)"


def _public(
    name: str, documents: int, queries: int, judgements: int, about: str, licence: str, split: str = "", zip: str = ""
) -> Collection:
    """`split` where ir_datasets names it in its id."""
    archive = _ZIPS[zip or name]
    id = f"beir/{name}" if archive.name == "cqadupstack" else f"beir/{archive.key}"
    return Collection(
        name,
        documents,
        queries,
        judgements,
        about,
        licence,
        split or "test",
        archive,
        ir_datasets=f"{id}/{split}" if split else id,
    )


def _forum(name: str, documents: int, queries: int, judgements: int) -> Collection:
    about = f"Duplicate questions of the StackExchange forum {name}"
    licence = _mteb("Apache-2.0")
    return _public(f"cqadupstack/{name}", documents, queries, judgements, about, licence, zip="cqadupstack")


def _by_hand(
    name: str, documents: int, queries: int, judgements: int, about: str, licence: str, how: str
) -> Collection:
    return Collection(name, documents, queries, judgements, about, licence, by_hand=how, exact=False)


def _classic(name: str, documents: int, queries: int, judgements: int, about: str) -> Collection:
    return Collection(name, documents, queries, judgements, about, "none stated", citation="")


COLLECTIONS: tuple[Collection, ...] = (
    _public(
        "msmarco",
        8_841_823,
        6_980,
        7_437,
        "Web passages for questions",
        _mteb("Microsoft's research licence, non-commercial"),
        "dev",
    ),
    _public("trec-covid", 171_332, 50, 66_336, "Scientific articles on COVID-19", _UNSTATED),
    _public("nfcorpus", 3_633, 323, 12_334, "Medical articles for nutrition questions", _UNSTATED, "test"),
    _by_hand(
        "bioasq",
        14_914_603,
        500,
        2_359,
        "Biomedical articles for questions",
        "terms of BioASQ, by registration",
        "Register at bioasq.org; take title and abstract of the documents of task 9a (training 2020), and the "
        "questions and relevant documents of task 8b",
    ),
    _public("nq", 2_681_468, 3_452, 4_201, "Wikipedia passages for search questions", _mteb("CC BY-NC-SA 3.0")),
    _public("hotpotqa", 5_233_329, 7_405, 14_810, "Wikipedia for two-hop questions", _mteb("CC BY-SA 4.0"), "test"),
    _public("fiqa", 57_638, 648, 1_706, "Answers to financial questions", _UNSTATED, "test"),
    _by_hand(
        "signal1m",
        2_866_316,
        97,
        1_899,
        "Tweets for news headlines",
        "terms of Signal AI, by registration",
        "Register at research.signal-ai.com for queries and judgements; fetch the tweets by the ids of "
        "igorbrigadir/newsir16-data",
    ),
    _by_hand(
        "trec-news",
        594_977,
        57,
        15_655,
        "Background articles for news",
        "NIST's agreement for the Washington Post corpus",
        "Apply to NIST for the Washington Post corpus (trec.nist.gov/data/wapost); topics and judgements are those "
        "of background linking, TREC News 2019",
    ),
    _by_hand(
        "robust04",
        528_155,
        249,
        311_410,
        "News for hard topics",
        "NIST's agreement for TREC disks 4 and 5",
        "Apply to NIST for TREC disks 4 and 5 (trec.nist.gov/data/cd45); topic descriptions and judgements are "
        "in ir_datasets as trec-robust04",
    ),
    _public("arguana", 8_674, 1_406, 1_406, "The best counter-argument", _mteb("CC BY-SA 4.0")),
    _public("webis-touche2020", 382_545, 49, 2_214, "Arguments on controversial topics (v2)", _mteb("CC BY-SA 4.0")),
    _forum("android", 22_998, 699, 1_696),
    _forum("english", 40_221, 1_570, 3_765),
    _forum("gaming", 45_301, 1_595, 2_263),
    _forum("gis", 37_637, 885, 1_114),
    _forum("mathematica", 16_705, 804, 1_358),
    _forum("physics", 38_316, 1_039, 1_933),
    _forum("programmers", 32_176, 876, 1_675),
    _forum("stats", 42_269, 652, 913),
    _forum("tex", 68_184, 2_906, 5_154),
    _forum("unix", 47_382, 1_072, 1_693),
    _forum("webmasters", 17_405, 506, 1_395),
    _forum("wordpress", 48_605, 541, 744),
    _public("quora", 522_931, 10_000, 15_675, "Duplicate questions of Quora", _UNSTATED, "test"),
    _public("dbpedia-entity", 4_635_922, 400, 43_515, "Entities for keyword queries", _mteb("MIT"), "test"),
    _public("scidocs", 25_657, 1_000, 29_928, "Papers that a paper cites", _mteb("CC BY-SA 4.0")),
    _public("fever", 5_416_568, 6_666, 7_937, "Wikipedia evidence for claims", _mteb("CC BY-NC-SA 3.0"), "test"),
    _public("climate-fever", 5_416_593, 1_535, 4_681, "Wikipedia evidence for climate claims", _mteb("CC BY-SA 4.0")),
    _public(
        "scifact",
        5_183,
        300,
        339,
        "Abstracts that bear on scientific claims",
        "annotations CC BY 4.0, abstracts ODC-By 1.0 (allenai/scifact)",
        "test",
    ),
    # Beyond BEIR's table: an older version of Touché, and two classic collections in the same layout.
    _public(
        "webis-touche2020-v1",
        382_545,
        49,
        2_962,
        "Arguments on controversial topics, as judged at first (v1); v2 is the one that is averaged",
        _mteb("CC BY-SA 4.0"),
    ),
    _classic("cacm", 3_204, 52, 796, "Records of Communications of the ACM (1958-1979)"),
    _classic("cranfield", 1_400, 225, 1_837, "Abstracts on aerodynamics (Cleverdon, 1960s)"),
)
