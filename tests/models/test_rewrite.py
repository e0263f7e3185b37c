"""Generated code beside queries and documents: by ReCo's weights, from a file or a model that writes, at its cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contract import Document, Example, Ranking
from harness.errors import SubmissionError
from harness.models.bm25 import Bm25, Bm25Config
from harness.models.rewrite import Rewrite, RewriteConfig
from harness.models.static import Static, StaticConfig
from harness.submission import load
from tests.models.tiny_lm import save_tiny_lm
from tests.models.toy_world import resources_of

DOCUMENTS = [
    Document(id="d1", text="def gcd(a, b): return gcd(b, a % b) if b else a"),
    Document(id="d2", text="def product(a, b): return a * b"),
    Document(id="d3", text="def largest(values): return max(values)"),
]
QUERY = Example("q1", "greatest common divisor")


def generations(path: Path, **texts: list[str]) -> dict[str, Any]:
    path.write_text("".join(json.dumps({"id": id, "texts": its}) + "\n" for id, its in texts.items()))
    return {"kind": "replay", "path": str(path)}


def model(folder: Path, examples: list[Example] | None = None, **settings: Any) -> Rewrite:
    from dataclasses import replace

    made = Rewrite(RewriteConfig(**settings), 0)
    resources = resources_of(folder, DOCUMENTS)
    made.prepare(replace(resources, example_ids=[example.id for example in examples or [QUERY]]))
    return made


def scores(found: Any) -> dict[str, float]:
    assert isinstance(found.output, Ranking)
    return dict(zip(found.output.ids, found.output.scores, strict=True))


def test_a_query_finds_what_was_written_for_it(tmp_path: Path) -> None:
    written = generations(tmp_path / "q.jsonl", q1=["def gcd(a, b):\n    return a % b"])
    (found,) = model(tmp_path, retriever={"kind": "bm25"}, queries=written).predict([QUERY])
    assert next(iter(scores(found))) == "d1"
    plain = Bm25(Bm25Config(), 0)
    plain.prepare(resources_of(tmp_path, DOCUMENTS))
    assert scores(plain.predict([QUERY])[0]) == {}, "no word of the query is in any code"


def test_text_is_repeated_as_often_as_there_are_generations(tmp_path: Path) -> None:
    """ReCo's join: the query four times, then the four generations."""
    written = generations(tmp_path / "q.jsonl", q1=["a", "b", "b", "largest", "beyond the samples"])
    made = model(tmp_path, retriever={"kind": "bm25"}, queries=written)
    query = Example("q1", "values")
    plain = Bm25(Bm25Config(), 0)
    plain.prepare(resources_of(tmp_path, DOCUMENTS))
    joined = Example("q1", "values\nvalues\nvalues\nvalues\na\nb\nb\nlargest")
    assert scores(made.predict([query])[0]) == scores(plain.predict([joined])[0])


def test_documents_are_rewritten_too(tmp_path: Path) -> None:
    written = generations(tmp_path / "d.jsonl", d2=["multiply two numbers"])
    made = model(tmp_path, retriever={"kind": "bm25"}, documents=written)
    assert next(iter(scores(made.predict([Example("q1", "multiply numbers")])[0]))) == "d2"


def test_embeddings_are_averaged_by_recos_weights(tmp_path: Path) -> None:
    """The text weighs as much as its generations together, and the mean is not scaled again."""
    for_query = generations(tmp_path / "q.jsonl", q1=["return a % b", "gcd(b, a)"])
    for_code = generations(tmp_path / "d.jsonl", d1=["def divisor(x, y): pass"])
    made = model(tmp_path, retriever={"kind": "static"}, queries=for_query, documents=for_code, mix="vectors")
    plain = Static(StaticConfig(), 0)
    plain.prepare(resources_of(tmp_path, DOCUMENTS))
    one, two, three = plain.embed([QUERY.input, "return a % b", "gcd(b, a)"])  # type: ignore[list-item]
    query = (2 * one + two + three) / 4
    code = plain.embed([DOCUMENTS[0].text, "def divisor(x, y): pass"]).mean(axis=0)
    other = plain.embed([DOCUMENTS[1].text])[0]
    found = scores(made.predict([QUERY])[0])
    assert found["d1"] == pytest.approx(float(np.dot(query, code)), abs=1e-6)
    assert found["d2"] == pytest.approx(float(np.dot(query, other)), abs=1e-6)


def test_what_nothing_is_written_for_is_searched_as_it_is(tmp_path: Path) -> None:
    written = generations(tmp_path / "q.jsonl", q2=["def gcd(a, b): pass"])
    both = [Example("q1", "largest"), Example("q2", "divisor")]
    first, second = model(tmp_path, both, retriever={"kind": "bm25"}, queries=written).predict(both)
    assert list(scores(first)) == ["d3"]
    assert next(iter(scores(second))) == "d1"


def test_work_is_the_retrievers_where_a_file_writes(tmp_path: Path) -> None:
    written = generations(tmp_path / "q.jsonl", q1=["gcd"])
    made = model(tmp_path, retriever={"kind": "bm25"}, queries=written)
    (found,) = made.predict([QUERY])
    assert {usage.stage for usage in found.usage} == {"search"}
    assert {stage.name for stage in made.phases().stages} == {"index", "search"}


def test_a_model_writes_for_queries_and_documents(tmp_path: Path) -> None:
    """GAR and ReCo with a language model: what it writes is searched with, and what that took is counted."""
    writer = {"kind": "causal_lm", "model": str(save_tiny_lm(tmp_path / "lm")), "device": "cpu"}
    settings = {"retriever": {"kind": "bm25"}, "samples": 1, "max_output_tokens": 6}
    gar = model(tmp_path, queries=writer, **settings)
    (found,) = gar.predict([QUERY])
    assert [usage.stage for usage in found.usage] == ["write/generate", "search"]
    assert found.usage[0].output_tokens == 6
    assert {"write/generate", "search"} <= {stage.name for stage in gar.phases().stages}
    reco = model(tmp_path, queries=writer, documents=writer, **settings)
    (again,) = reco.predict([QUERY])
    assert again.usage[0] == found.usage[0]
    written = [tally.examples for tally in reco.phases().preparing if tally.stage == "write/generate"]
    assert sum(written) == 2 * len(DOCUMENTS), "each is summarised, and code is written from the summary"


# --- A submission ---------------------------------------------------------------------------------------------------


def submission(folder: Path, text: str) -> Path:
    path = folder / "it.yaml"
    path.write_text(f"name: it\nmodel:\n  kind: rewrite\n{text}")
    return path


def test_its_files_are_part_of_its_digest(tmp_path: Path) -> None:
    path = submission(tmp_path, "  retriever: {kind: bm25}\n  queries: {kind: replay, path: q.jsonl}\n")
    generations(tmp_path / "q.jsonl", q1=["a"])
    before = load(path).digest
    generations(tmp_path / "q.jsonl", q1=["b"])
    assert load(path).digest != before


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("  retriever: {kind: bm25}\n", "nothing is rewritten"),
        ("  retriever: {kind: bm25}\n  queries: {kind: bm25}\n", "offers `texts`"),
        ("  retriever: {kind: bm25}\n  queries: {kind: replay, path: gone.jsonl}\n", "there is no file"),
        ("  retriever: {kind: python, path: x.py:X}\n  queries: {kind: replay, path: q}\n", "brings no code"),
        ("  retriever: {kind: bm26}\n  queries: {kind: replay, path: q}\n", "bm26"),
    ],
)
def test_a_submission_that_cannot_work_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(SubmissionError, match=fault):
        load(submission(tmp_path, text))
