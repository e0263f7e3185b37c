"""The settings of a kind's search, and a real encoder behind each."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
from pydantic import ValidationError

from harness.contract import Corpus, Cost, Document, Example, Inputs, Ranking, Request, Resources
from harness.errors import SubmissionError
from harness.models.static import Static, StaticConfig
from harness.models.vector_search import VectorSearchConfig
from harness.retrieval import ann_index

WORDS = ["cell", "gene", "star", "bread", "music", "river", "law", "goal", "storm", "paint"]
DOCUMENTS = [
    Document(id=f"{first}-{second}-{number}", text=f"the {first} and the {second}" + " of it" * number)
    for first in WORDS
    for second in WORDS
    for number in range(3)
]
QUERIES = [Example(word, f"a {word}") for word in WORDS]

needs_both = pytest.mark.skipif(
    find_spec("faiss") is None or find_spec("wordllama") is None,
    reason="needs pip install 'equal-footing[ann,models]'",
)


def resources(folder: Path, charged: list[Cost]) -> Resources:
    path = folder / "corpus.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(document) for document in DOCUMENTS))
    inputs = Inputs(Request(depth=20), Corpus(str(path), len(DOCUMENTS), "digest"))
    return Resources(inputs, [], folder / "scratch", folder / "cache", charge=charged.append)


@needs_both
@pytest.mark.parametrize(("search", "least"), [("hnsw", 0.99), ("ivf_pq", 0.5)])
def test_approximate_search_says_how_much_of_the_exact_answers_it_found(
    tmp_path: Path, search: str, least: float
) -> None:
    rankings = {}
    charged: list[Cost] = []
    for method in ("exact", search):
        model = Static(StaticConfig(search=method), 0)  # type: ignore[arg-type]
        prepared = model.prepare(resources(tmp_path, charged))
        answers = model.predict(QUERIES)
        rankings[method] = [set(answer.output.ids) for answer in answers if isinstance(answer.output, Ranking)]
        assert [stage.name for stage in model.phases().stages] == [usage.stage for usage in answers[0].usage]
    shared = [len(one & other) / 10 for one, other in zip(*(r for r in rankings.values()), strict=True)]
    findings = model.findings()
    assert least <= findings["search_recall_at_10"] <= 1
    assert findings["search_recall_queries"] == len(QUERIES)
    assert sum(shared) > 0
    assert str(prepared.facts["index"]).startswith({"hnsw": "HNSW", "ivf_pq": "IVF-PQ"}[search])
    assert prepared.index_ram_bytes == prepared.index_disk_bytes
    assert len(charged) == 2, "documents and queries, encoded for exact search; the index was built now"
    assert answers == model.again(QUERIES)


def test_exact_search_has_nothing_to_find_out(tmp_path: Path) -> None:
    pytest.importorskip("wordllama")
    model = Static(StaticConfig(), 0)
    model.prepare(resources(tmp_path, []))
    model.predict(QUERIES)
    assert model.findings() == {}


def test_without_faiss_nothing_is_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann_index, "find_spec", lambda name: None)
    with pytest.raises(SubmissionError, match="needs faiss"):
        Static(StaticConfig(search="hnsw"), 0).prepare(resources(tmp_path, []))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"search": "lsh"}, "search"),
        ({"search": "hnsw", "hnsw_neighbours": 1}, "hnsw_neighbours"),
        ({"search": "ivf_pq", "ivf_probes": 0}, "ivf_probes"),
        ({"hnsw_ef_search": 100}, "hnsw_ef_search has no part in `search: exact`"),
        ({"search": "hnsw", "pq_bytes": 8}, "pq_bytes has no part in `search: hnsw`"),
        ({"search": "ivf_pq", "hnsw_neighbours": 8}, "hnsw_neighbours has no part in `search: ivf_pq`"),
    ],
)
def test_settings_that_do_not_belong_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VectorSearchConfig.model_validate(settings)


@pytest.mark.parametrize("search", ["exact", "hnsw", "ivf_pq"])
def test_settings_survive_the_way_to_the_worker(search: str) -> None:
    config = VectorSearchConfig.model_validate({"search": search})
    assert VectorSearchConfig.model_validate_json(config.model_dump_json()) == config
