"""Every BEIR collection by name, with the counts that tell a whole one from half of one.

Counts are those of the metadata of ir_datasets 0.6.3, md5 those of the BEIR distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.contract import DataStatus, Places, TaskCard, Workload
from harness.errors import DataError
from tasks.beir.download import PublicZip, fetch
from tasks.beir.folder import PROTOCOL, load_folder
from tasks.beir.layout import Layout

CITATION = (
    "Thakur, Reimers, Rücklé, Srivastava, Gurevych (2021): BEIR: A Heterogeneous Benchmark for Zero-shot "
    "Evaluation of Information Retrieval Models. arXiv:2104.08663"
)
_UNSTATED = "not stated by BEIR; see the collection's own terms"


@dataclass(frozen=True)
class Collection:
    """A collection: its sizes and where it comes from."""

    name: str
    documents: int
    queries: int
    """Queries that the split judges."""
    judgements: int | None
    about: str
    archive: PublicZip | None = None
    """None: there is no public zip in BEIR layout."""
    split: str = "test"
    licence: str = _UNSTATED
    citation: str = CITATION
    exact: bool = True
    """False where users make the corpus themselves, and published counts of documents differ a little."""


_MD5 = {
    "arguana": "8ad3e3c2a5867cdced806d6503f29b99",
    "climate-fever": "8b66f0a9126c521bae2bde127b4dc99d",
    "cqadupstack": "4e41456d7df8ee7760a7f866133bda78",
    "dbpedia-entity": "c2a39eb420a3164af735795df012ac2c",
    "fever": "5a818580227bfb4b35bb6fa46d9b6c03",
    "fiqa": "17918ed23cd04fb15047f73e6c3bd9d9",
    "hotpotqa": "f412724f78b0d91183a0e86805e16114",
    "msmarco": "444067daf65d982533ea17ebd59501e4",
    "nfcorpus": "a89dba18a62ef92f7d323ec890a0d38d",
    "nq": "d4d3d2e48787a744b6f6e691ff534307",
    "quora": "18fb154900ba42a600f84b839c173167",
    "scidocs": "38121350fc3a4d2f48850f6aff52e4a9",
    "scifact": "5f7d1de60b170fc8027bb7898e2efca1",
    "trec-covid": "ce62140cb23feb9becf6270d0d1fe6d1",
    "webis-touche2020": "46f650ba5a527fc69e0a6521c5a23563",
}
_KEYS = {"webis-touche2020": "webis-touche2020/v2"}
"""Names in ir_datasets, where other: BEIR's zip of Touché is version 2 there."""


def _public(
    name: str,
    documents: int,
    queries: int,
    judgements: int,
    about: str,
    split: str = "test",
    licence: str = _UNSTATED,
) -> Collection:
    zip_name = name.partition("/")[0]
    archive = PublicZip(zip_name, _MD5[zip_name], _KEYS.get(zip_name, zip_name))
    return Collection(name, documents, queries, judgements, about, archive, split, licence)


def _forum(name: str, documents: int, queries: int, judgements: int) -> Collection:
    about = f"Duplicate questions of the StackExchange forum {name}"
    return _public(f"cqadupstack/{name}", documents, queries, judgements, about)


def _by_hand(name: str, documents: int, queries: int, about: str) -> Collection:
    return Collection(name, documents, queries, None, about, exact=False)


def _classic(name: str, documents: int, queries: int, judgements: int, about: str) -> Collection:
    return Collection(name, documents, queries, judgements, about, licence="none stated", citation="")


COLLECTIONS: tuple[Collection, ...] = (
    _public("msmarco", 8_841_823, 6_980, 7_437, "Web passages for questions", split="dev"),
    _public("trec-covid", 171_332, 50, 66_336, "Scientific articles on COVID-19"),
    _public("nfcorpus", 3_633, 323, 12_334, "Medical articles for nutrition questions"),
    _by_hand("bioasq", 14_914_603, 500, "Biomedical articles for questions"),
    _public("nq", 2_681_468, 3_452, 4_201, "Wikipedia passages for search questions"),
    _public("hotpotqa", 5_233_329, 7_405, 14_810, "Wikipedia for two-hop questions"),
    _public("fiqa", 57_638, 648, 1_706, "Answers to financial questions"),
    _by_hand("signal1m", 2_866_316, 97, "Tweets for news headlines"),
    _by_hand("trec-news", 594_977, 57, "Background articles for news"),
    _by_hand("robust04", 528_155, 249, "News for hard topics"),
    _public("arguana", 8_674, 1_406, 1_406, "The best counter-argument"),
    _public("webis-touche2020", 382_545, 49, 2_214, "Arguments on controversial topics (v2)"),
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
    _public("quora", 522_931, 10_000, 15_675, "Duplicate questions of Quora"),
    _public("dbpedia-entity", 4_635_922, 400, 43_515, "Entities for keyword queries"),
    _public("scidocs", 25_657, 1_000, 29_928, "Papers that a paper cites"),
    _public("fever", 5_416_568, 6_666, 7_937, "Wikipedia evidence for claims"),
    _public("climate-fever", 5_416_593, 1_535, 4_681, "Wikipedia evidence for climate claims"),
    _public(
        "scifact",
        5_183,
        300,
        339,
        "Abstracts that bear on scientific claims",
        licence="annotations CC BY 4.0, abstracts ODC-By 1.0",
    ),
    _classic("cacm", 3_204, 52, 796, "Records of Communications of the ACM (1958-1979)"),
    _classic("cranfield", 1_400, 225, 1_837, "Abstracts on aerodynamics (Cleverdon, 1960s)"),
)


@dataclass(frozen=True)
class CollectionTask:
    """A collection under the protocol `beir-1`."""

    collection: Collection

    @property
    def card(self) -> TaskCard:
        it = self.collection
        return TaskCard(
            name=f"beir/{it.name}",
            family="beir",
            protocol=PROTOCOL,
            primary_metric="nDCG@10",
            needs=frozenset({"ranking"}),
            description=f"{it.about}: {it.documents:,} documents, {it.queries:,} queries ({it.split}).",
            licence=it.licence,
            citation=it.citation,
            url="https://github.com/beir-cellar/beir",
        )

    def status(self, places: Places) -> DataStatus:
        """Here if the three files are; a folder that lacks one is not completed by a download."""
        layout = self._layout(places)
        missing = layout.missing()
        if not missing:
            return DataStatus("here", str(layout.folder))
        if self._started(places):
            return DataStatus("manual", str(layout.folder), f"incomplete: no {missing[0]}")
        if self.collection.archive is None:
            return DataStatus("manual", str(layout.folder), self._by_hand_hint(layout))
        return DataStatus("downloadable", str(layout.folder), "downloaded by the first run that needs it")

    def load(self, places: Places) -> Workload:
        """Read the collection; a public one is downloaded first. Raises `DataError` if its counts differ."""
        layout, archive = self._layout(places), self.collection.archive
        if not self._started(places):
            if archive is None:
                raise DataError(f"{self.card.name} is not here", hint=self._by_hand_hint(layout))
            fetch(archive, places.data / "beir")
        workload = load_folder(layout, places.progress)
        self._check_counts(layout, workload)
        return workload

    def _layout(self, places: Places) -> Layout:
        return Layout(places.data / "beir" / self.collection.name, self.collection.split)

    def _started(self, places: Places) -> bool:
        return (places.data / "beir" / self.collection.name.partition("/")[0]).exists()

    def _by_hand_hint(self, layout: Layout) -> str:
        return (
            f"{self.collection.name} cannot be downloaded in BEIR layout. Put corpus.jsonl, queries.jsonl "
            f"and qrels/{layout.split}.tsv into {layout.folder}. beir/python-docs needs no data."
        )

    def _check_counts(self, layout: Layout, workload: Workload) -> None:
        it = self.collection
        expected = {"queries": it.queries}
        if it.exact and it.judgements is not None:
            expected |= {"documents": it.documents, "judgements": it.judgements}
        for what, count in expected.items():
            if workload.facts[what] != count:
                raise DataError(
                    f"{layout.folder}: expected {count:,} {what}, found {workload.facts[what]:,}",
                    hint="It may be half-downloaded: delete the folder and run again. "
                    f"A variant of your own runs as `--task beir:{layout.folder}`.",
                )
