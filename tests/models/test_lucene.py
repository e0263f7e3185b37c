"""Lucene through Pyserini: the published figures, the same ranking as our BM25, and indexes that survive anything."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.contract import Corpus, Cost, Document, Example, Inputs, Model, Prediction, Ranking, Request, Resources
from harness.errors import InputError, SubmissionError
from harness.models.bm25 import Bm25, Bm25Config
from harness.models.lucene import Lucene, LuceneConfig

NEEDS_LUCENE = [
    pytest.mark.lucene,
    pytest.mark.skipif(find_spec("pyserini") is None, reason="needs pip install 'equal-footing[lucene]' (make lucene)"),
    pytest.mark.xdist_group("lucene"),  # Java is started once, in one worker
]
APART = {"title": 1.0, "text": 1.0}
ROOT = Path(__file__).resolve().parents[2]
Harness = Callable[..., subprocess.CompletedProcess[str]]

DOCUMENTS = [
    Document("d1", "A cat sleeps.", "Cats"),
    Document("d2", "A dog chases the cat."),
    Document("d3", "Dogs bark.", "Dogs"),
    Document("d10", "Dogs, dogs bark."),
]


def resources_of(
    folder: Path,
    documents: Sequence[Document] = DOCUMENTS,
    *,
    depth: int = 10,
    charged: list[Cost] | None = None,
    queries: Sequence[str] = (),
    run: str = "run",
) -> Resources:
    content = b"".join(msgspec.json.encode(document) + b"\n" for document in documents)
    digest = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{digest}.jsonl"
    path.write_bytes(content)
    inputs = Inputs(Request(depth=depth), Corpus(str(path), len(documents), digest))
    charge = ([] if charged is None else charged).append
    return Resources(inputs, queries, folder / run, folder / "cache", charge=charge)


def ask(model: Lucene | Bm25, resources: Resources, *queries: str | Example) -> list[Ranking]:
    model.prepare(resources)
    examples = [query if isinstance(query, Example) else Example(query, query) for query in queries]
    return [ranking(answer) for answer in model.predict(examples)]


def ranking(prediction: Prediction) -> Ranking:
    assert isinstance(prediction.output, Ranking)
    return prediction.output


def lucene(**changes: Any) -> Lucene:
    return Lucene(LuceneConfig(**changes), 0)


class TestBm25:
    """Over a handful of documents."""

    pytestmark = NEEDS_LUCENE

    def test_ranks_documents_by_title_and_text(self, tmp_path: Path) -> None:
        cats, bark = ask(lucene(), resources_of(tmp_path), "cats", "bark")
        assert (cats.ids, bark.ids) == (["d1", "d2"], ["d3", "d10"])
        assert all(score > 0 for score in cats.scores + bark.scores)

    def test_fields_of_their_own_are_added_up(self, tmp_path: Path) -> None:
        (dogs,) = ask(lucene(fields=APART), resources_of(tmp_path), "dogs")
        assert dogs.ids == ["d3", "d10", "d2"], "in title and text, twice in the text, once in the text"

    def test_documents_with_blank_contents_are_left_out_as_anserini_does(self, tmp_path: Path) -> None:
        documents = [*DOCUMENTS, Document("title only", " \n", "Cats"), Document("nothing")]
        model = lucene(fields=APART)
        prepared = model.prepare(resources_of(tmp_path, documents))
        assert (prepared.facts["documents"], prepared.facts["documents_left_out"]) == (4, 2)
        (answer,) = model.predict([Example("q", "cats")])
        assert "title only" not in ranking(answer).ids
        (flat,) = ask(lucene(), resources_of(tmp_path, documents), "cats")
        assert "title only" in flat.ids

    @pytest.mark.parametrize("query", ["", "the", "zebra", "?!", "AND OR (", "a:b*~", "\0", "𝒳 😀"])
    def test_nothing_to_find_is_an_empty_ranking(self, tmp_path: Path, query: str) -> None:
        assert ask(lucene(), resources_of(tmp_path), query) == [Ranking([], [])]

    def test_a_query_of_any_length_is_a_query(self, tmp_path: Path) -> None:
        (found,) = ask(lucene(), resources_of(tmp_path), " ".join(f"word{n}" for n in range(3000)) + " cat")
        assert found.ids == ["d1", "d2"]

    def test_ids_and_texts_of_any_script_come_back(self, tmp_path: Path) -> None:
        documents = [Document("𝒳 id\n", "naïve 東京 😀"), Document('"quoted"', "東京")]
        tokyo, smile = ask(lucene(), resources_of(tmp_path, documents), "東京", "😀")
        assert (set(tokyo.ids), smile.ids) == ({"𝒳 id\n", '"quoted"'}, ["𝒳 id\n"])

    def test_ids_decide_between_all_that_tie_at_the_cut(self, tmp_path: Path) -> None:
        """As trec_eval has it, descending; Lucene alone would keep those that were indexed first."""
        same = [Document(f"d{number:03}", "the same words") for number in range(200)]
        better = Document("best", "words words")
        for depth in (1, 3, 150, 500):
            (found,) = ask(lucene(), resources_of(tmp_path, [*same, better], depth=depth), "words")
            assert found.ids == ["best", *(document.id for document in reversed(same))][:depth]

    def test_only_candidates_are_ranked(self, tmp_path: Path) -> None:
        example = Example("q", "dogs", candidates=("d3", "d2", "d3", "not in the corpus"))
        (among,) = ask(lucene(), resources_of(tmp_path), example)
        (all_found,) = ask(lucene(), resources_of(tmp_path), "dogs")
        scores = dict(zip(all_found.ids, all_found.scores, strict=True))
        assert (among.ids, among.scores) == (["d3", "d2"], [scores["d3"], scores["d2"]])
        assert ask(lucene(), resources_of(tmp_path), Example("q", "dogs", candidates=())) == [Ranking([], [])]

    def test_an_example_that_is_not_text_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="'q7' is a list"):
            ask(lucene(), resources_of(tmp_path), Example("q7", [1.0, 2.0]))

    def test_work_and_facts_are_reported(self, tmp_path: Path) -> None:
        model = lucene()
        prepared = model.prepare(resources_of(tmp_path))
        facts = {name: prepared.facts[name] for name in ("documents", "documents_left_out", "terms")}
        assert facts == {"documents": 4, "documents_left_out": 0, "terms": 12}
        assert prepared.facts["average_length"] == 3
        assert str(prepared.facts["jar"]).startswith("anserini-")
        files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != "record.json"]
        assert prepared.index_disk_bytes == sum(path.stat().st_size for path in files)
        assert prepared.index_ram_bytes
        (answer,) = model.predict([Example("q", "cat dog")])
        (usage,) = answer.usage
        assert (usage.stage, usage.documents) == ("search", 4)
        assert model.again([Example("q", "cat dog")]) == [answer]
        (stage,) = model.phases().stages
        assert (stage.name, stage.device, list(stage.each)) == ("search", "host", ["documents"])

    def test_a_heap_is_for_the_process(self, tmp_path: Path) -> None:
        lucene().prepare(resources_of(tmp_path))
        with pytest.raises(InputError, match="a heap of 1024 MB, not 2048 MB"):
            lucene(heap_megabytes=2048).prepare(resources_of(tmp_path))


WORDS = ["cat", "cats", "dog", "running", "runs", "the", "of", "U.S.A.", "dog's", "naïve", "x-ray", "3.14", "a_b", ""]
texts = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


class TestOurOwnBm25:
    """Beside Lucene's, on whatever documents."""

    pytestmark = NEEDS_LUCENE

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        documents=st.lists(st.tuples(texts, texts), min_size=1, max_size=12),
        queries=st.lists(texts, min_size=1, max_size=3),
        k1=st.sampled_from([0.0, 0.9, 2.0]),
        b=st.sampled_from([0.0, 0.4, 1.0]),
        depth=st.integers(1, 6),
        fields=st.sampled_from([None, APART, {"title": 3.0}]),
    )
    def test_ranks_alike(
        self,
        tmp_path: Path,
        documents: list[tuple[str, str]],
        queries: list[str],
        k1: float,
        b: float,
        depth: int,
        fields: dict[Any, float] | None,
    ) -> None:
        # No text is blank: with fields apart, Anserini would leave such a document out.
        corpus = [Document(f"d{place}", f"{text} filling", title) for place, (title, text) in enumerate(documents)]
        resources = resources_of(tmp_path, corpus, depth=depth)
        theirs = ask(lucene(k1=k1, b=b, fields=fields), resources, *queries)
        ours = ask(Bm25(Bm25Config(k1=k1, b=b, fields=fields), 0), resources, *queries)
        for lucene_ranking, our_ranking in zip(theirs, ours, strict=True):
            assert lucene_ranking.ids == our_ranking.ids
            assert np.float32(lucene_ranking.scores) == pytest.approx(np.float32(our_ranking.scores), rel=1e-6)


class TestImpacts:
    """Search by learned sparse vectors."""

    pytestmark = NEEDS_LUCENE

    @pytest.fixture
    def made(self, tmp_path: Path) -> Callable[..., Lucene]:
        def lines(path: Path, vectors: Mapping[str, Mapping[str, float]]) -> Path:
            path.write_text("".join(json.dumps({"id": id, "vector": v}) + "\n" for id, v in vectors.items()))
            return path

        def model(documents: Mapping[str, Any], queries: Mapping[str, Any], **changes: Any) -> Lucene:
            return lucene(
                document_vectors=lines(tmp_path / "documents.jsonl", documents),
                query_vectors=lines(tmp_path / "queries.jsonl", queries),
                **changes,
            )

        return model

    def test_scores_are_inner_products(self, tmp_path: Path, made: Callable[..., Lucene]) -> None:
        generator = random.Random(0)
        terms = [f"##term {number} é" for number in range(30)]

        def vector(of: Callable[[], float]) -> dict[str, float]:
            return {term: of() for term in generator.sample(terms, generator.randint(1, 20))}

        documents = {f"d{number}": vector(lambda: generator.randint(0, 300)) for number in range(50)}
        queries = {f"q{number}": vector(lambda: round(generator.uniform(0, 2), 3)) for number in range(5)}
        corpus = [Document(id, "no text is read") for id in documents]
        resources = resources_of(tmp_path, corpus, depth=100, queries=list(queries))
        for query, found in zip(queries.values(), ask(made(documents, queries), resources, *queries), strict=True):
            products = {
                id: sum(weight * query.get(term, 0) for term, weight in document.items())
                for id, document in documents.items()
            }
            expected = {id: product for id, product in products.items() if product > 0}
            assert dict(zip(found.ids, found.scores, strict=True)) == pytest.approx(expected, rel=1e-5)
            assert found.scores == sorted(found.scores, reverse=True)

    def test_fractions_are_scaled(self, tmp_path: Path, made: Callable[..., Lucene]) -> None:
        model = made({"d1": {"cat": 0.254}, "d2": {"cat": 1.5}}, {"q": {"cat": 2}}, vector_scale=100)
        resources = resources_of(tmp_path, DOCUMENTS, queries=["q"])
        assert ask(model, resources, "q") == [Ranking(["d2", "d1"], [300.0, 50.0])]

    def test_a_query_without_a_vector_is_left_unanswered(self, tmp_path: Path, made: Callable[..., Lucene]) -> None:
        model = made({"d1": {"cat": 1}}, {"q1": {"cat": 1}, "q of another split": {"cat": 1}})
        model.prepare(resources_of(tmp_path, queries=["q1", "q2"]))
        assert [answer.id for answer in model.predict([Example("q1", "cat"), Example("q2", "cat")])] == ["q1"]

    def test_vectors_of_other_data_are_refused_by_name(self, tmp_path: Path, made: Callable[..., Lucene]) -> None:
        resources = resources_of(tmp_path, queries=["q1"])
        with pytest.raises(SubmissionError, match=r"documents.jsonl, line 1: 'x1' is not among the task's documents"):
            made({"x1": {"cat": 1}}, {"q1": {"cat": 1}}).prepare(resources)
        with pytest.raises(SubmissionError, match=r"queries.jsonl has a vector for none of the task's 1 queries"):
            made({"d1": {"cat": 1}}, {"x1": {"cat": 1}}).prepare(resources)
        assert not list((tmp_path / "cache").glob("lucene/*")), "nothing is kept of it"

    def test_changed_vectors_are_another_index(self, tmp_path: Path, made: Callable[..., Lucene]) -> None:
        resources = resources_of(tmp_path, queries=["q"])
        for weight in (1, 2):
            assert ask(made({"d1": {"cat": weight}}, {"q": {"cat": 1}}), resources, "q") == [Ranking(["d1"], [weight])]


class TestIndexInTheCache:
    """Built once, charged always, never used half-built."""

    pytestmark = NEEDS_LUCENE

    def test_it_is_reused_for_other_settings_of_the_search_and_charged(self, tmp_path: Path) -> None:
        charged: list[Cost] = []
        first = ask(lucene(), resources_of(tmp_path, charged=charged), "cats")
        assert charged == []
        again = ask(lucene(), resources_of(tmp_path, charged=charged, run="another"), "cats")
        ask(lucene(k1=1.2), resources_of(tmp_path, charged=charged, run="third"), "cats")
        assert again == first
        assert [cost.cpu_seconds > 0 for cost in charged] == [True, True]
        assert charged[0] == charged[1]
        assert len(list((tmp_path / "cache" / "lucene").iterdir())) == 1

    def test_other_data_and_other_fields_are_other_indexes(self, tmp_path: Path) -> None:
        ask(lucene(), resources_of(tmp_path), "cats")
        (found,) = ask(lucene(), resources_of(tmp_path, DOCUMENTS[1:]), "cats")
        assert found.ids == ["d2"]
        ask(lucene(fields=APART), resources_of(tmp_path), "cats")
        assert len(list((tmp_path / "cache" / "lucene").iterdir())) == 3

    def test_a_damaged_index_is_built_again(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        first = ask(lucene(), resources_of(tmp_path), "cats")
        (postings,) = (tmp_path / "cache").rglob("*.doc")
        postings.write_bytes(postings.read_bytes()[:-1] + b"?")
        charged: list[Cost] = []
        assert ask(lucene(), resources_of(tmp_path, charged=charged), "cats") == first
        assert charged == []
        assert f"{postings.name} is damaged or missing; the index is built again" in capfd.readouterr().out

    def test_killed_in_mid_indexing_it_starts_anew_and_is_as_if_nothing_had_happened(self, tmp_path: Path) -> None:
        documents = [Document(f"d{number}", f"word{number % 7} word{number}") for number in range(2500)]
        script = f"""
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from tests.models.test_lucene import *
documents = [Document(f"d{{number}}", f"word{{number % 7}} word{{number}}") for number in range(2500)]
resources = resources_of(Path({str(tmp_path)!r}) / "killed", documents)
dies = lambda done, total, unit: os.kill(os.getpid(), signal.SIGKILL) if done >= 2000 else None
lucene().prepare(replace(resources, progress=dies))
"""
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        half_built = list((tmp_path / "killed" / "run").rglob("write.lock"))
        assert half_built, "it was killed while Lucene was writing"
        assert not list((tmp_path / "killed" / "cache").rglob("*"))
        resumed = ask(lucene(), resources_of(tmp_path / "killed", documents), "word3", "word2499")
        assert resumed == ask(lucene(), resources_of(tmp_path / "undisturbed", documents), "word3", "word2499")

    def test_a_full_heap_is_explained(self, tmp_path: Path) -> None:
        script = f"""
import random
from pathlib import Path
from harness.errors import RunFailed
from tests.models.test_lucene import *
huge = Document("huge", " ".join(str(random.random()) for _ in range(1_000_000)))
try:
    lucene(heap_megabytes=64).prepare(resources_of(Path({str(tmp_path)!r}), [huge]))
except RunFailed as error:
    print(error.message, error.hint)
"""
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "Java's heap of 64 MB is full Raise heap_megabytes" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"k1": -0.1}, "k1"),
        ({"b": 1.1}, "b"),
        ({"fields": {"body": 1}}, "fields"),
        ({"heap_megabytes": 32}, "heap_megabytes"),
        ({"document_vectors": "d.jsonl"}, "document_vectors and query_vectors together"),
        ({"vector_scale": 100}, "vectors beside vector_scale"),
        ({"document_vectors": "d.jsonl", "query_vectors": "q.jsonl", "k1": 1.2}, "they belong to BM25"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LuceneConfig.model_validate(wrong)


def test_is_a_model_and_costs_nothing_to_make() -> None:
    model = lucene(batch_size=7)
    assert isinstance(model, Model)
    assert (model.batch_size, model.offers) == (7, frozenset({"ranking"}))


class TestRuns:
    """By the command line."""

    pytestmark = NEEDS_LUCENE

    def test_only_the_worker_starts_java_and_nobody_imports_pyserini(self, tmp_path: Path, harness: Harness) -> None:
        """Without network, without an OpenAI key, whatever JAVA_HOME says."""
        (tmp_path / "lucene.yaml").write_text("name: lucene\nmodel:\n  kind: lucene\n")
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        (hidden / "sitecustomize.py").write_text(
            "import sys\nsys.modules['pyserini.search'] = sys.modules['openai'] = None\n"
            "if not any('harness.worker' in word for word in sys.orig_argv):\n    sys.modules['jnius'] = None\n"
        )
        env = {
            "PYTHONPATH": str(hidden),
            "JAVA_HOME": "/nothing",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "OPENAI_API_KEY": "",
        }
        done = harness("eval", "lucene.yaml", "--task", "beir/python-docs", "--limit", "3", env=env)
        assert done.returncode == 0, done.stderr

    @pytest.mark.data
    def test_published_figures(self, tmp_path: Path, data_root: Path, harness: Harness) -> None:
        """castorini/pyserini 2cr/beir.yaml, BM25 flat and multifield on SciFact, to four digits."""
        files = [ROOT / "submissions" / name for name in ("lucene-bm25.yaml", "lucene-bm25-multifield.yaml")]
        done = harness("eval", *files, "--task", "beir/scifact", "--data", data_root)
        assert done.returncode == 0, done.stderr
        rows = json.loads(harness("results", "--json").stdout)
        found = {(row["submission"], row["metric"]): round(row["value"], 4) for row in rows}
        published = {
            "lucene-bm25": {"nDCG@10": 0.6789, "R@100": 0.9253, "R@1000": 0.9767},
            "lucene-bm25-multifield": {"nDCG@10": 0.6647, "R@100": 0.9076, "R@1000": 0.98},
        }
        for name, scores in published.items():
            assert {metric: found[name, metric] for metric in scores} == scores
