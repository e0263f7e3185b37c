"""Sparse vectors from files: read as Anserini's, and every complaint names file and line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.errors import SubmissionError
from harness.retrieval.lucene_vectors import (
    MAX_WEIGHTS,
    document_vectors,
    read_vectors,
    vectors_digest,
    whole_weights,
)


def written(path: Path, vectors: Mapping[str, Mapping[str, float]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"id": id, "contents": "passed over", "vector": vector}) for id, vector in vectors.items()]
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_a_folder_is_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    written(tmp_path / "b.jsonl", {"d2": {"x": 2.5}, "d3": {}})
    written(tmp_path / "a.jsonl.gz", {"d1": {"x": 1, "é ü": 0}})
    (tmp_path / "README.md").write_text("not vectors")
    assert [(vector.id, vector.vector) for _, vector in read_vectors(tmp_path)] == [
        ("d1", {"x": 1.0, "é ü": 0.0}),
        ("d2", {"x": 2.5}),
        ("d3", {}),
    ]


def test_the_digest_is_of_content(tmp_path: Path) -> None:
    one = vectors_digest(written(tmp_path / "one.jsonl", {"d1": {"x": 1}}))
    assert vectors_digest(written(tmp_path / "two.jsonl", {"d1": {"x": 1}})) == one
    assert vectors_digest(written(tmp_path / "folder" / "part.jsonl", {"d1": {"x": 1}}).parent) == one
    assert vectors_digest(written(tmp_path / "two.jsonl", {"d1": {"x": 2}})) != one


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "truncated"),
        ("[]", "object"),
        ('{"id": "d1"}', "vector"),
        ('{"id": 1, "vector": {}}', "str"),
        ('{"id": "d1", "vector": {"x": "heavy"}}', "float"),
        ('{"id": "d1", "vector": {"x": -0.5}}', "the weight -0.5 of 'x' cannot be"),
        ('{"id": "d1", "vector": {"x": 1e12}}', "the weight 1000000000000.0 of 'x' cannot be"),
        ('{"id": "d0", "vector": {}}', "'d0' has a vector already"),
        ("\xff", "malformed"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "vectors.jsonl"
    path.write_bytes(b'{"id": "d0", "vector": {}}\n\n' + line.encode("latin-1"))
    with pytest.raises(SubmissionError, match=f"vectors.jsonl, line 3: .*{complaint}"):
        list(read_vectors(path))


def test_a_cut_archive_and_a_missing_file_are_explained(tmp_path: Path) -> None:
    path = written(tmp_path / "vectors.jsonl.gz", {"d1": {"x": 1}})
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SubmissionError, match=r"cannot read .*vectors.jsonl.gz, after line 0"):
        list(read_vectors(path))
    for nothing in (tmp_path / "no such file", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(SubmissionError, match="there are no vectors in"):
            vectors_digest(nothing)


def test_fractions_need_a_scale() -> None:
    assert whole_weights("here", {"x": 3.0, "y": 0.0}, None) == {"x": 3}
    assert whole_weights("here", {"x": 0.5049, "y": 0.004}, 100) == {"x": 50}
    with pytest.raises(SubmissionError, match=r"here: the weight 0\.5 of 'x' is not a whole number") as fraction:
        whole_weights("here", {"x": 0.5}, None)
    assert "vector_scale" in fraction.value.hint


@pytest.mark.parametrize("term", ["", "a\x1eb", "a\x1fb", "x" * 8192])
def test_terms_that_lucene_cannot_hold_are_refused(term: str) -> None:
    with pytest.raises(SubmissionError, match="cannot be a term"):
        whole_weights("here", {term: 1.0}, None)


def test_weights_that_overflow_lucene_are_refused() -> None:
    assert whole_weights("here", {"x": MAX_WEIGHTS}, None) == {"x": MAX_WEIGHTS}
    with pytest.raises(SubmissionError, match="add up to more than"):
        whole_weights("here", {"x": MAX_WEIGHTS, "y": 1}, None)


def test_vectors_of_a_larger_collection_do_and_of_another_do_not(tmp_path: Path) -> None:
    path = written(tmp_path / "vectors.jsonl", {"d1": {"x": 1}, "d9": {"x": 9}, "d2": {"x": 2}})
    assert dict(document_vectors(path, {"d1", "d2"}, None)) == {"d1": {"x": 1}, "d2": {"x": 2}}
    with pytest.raises(SubmissionError, match=r"line 2: 'd9' is not .* and 2 of them, such as 'd3', have no vector"):
        list(document_vectors(path, {"d1", "d2", "d3", "d4"}, None))


def test_a_document_may_have_no_vector_but_not_all(tmp_path: Path) -> None:
    path = written(tmp_path / "vectors.jsonl", {"d1": {"x": 1}})
    assert dict(document_vectors(path, {"d1", "d2"}, None)) == {"d1": {"x": 1}}
    with pytest.raises(SubmissionError, match="1 of them, such as 'd7', have no vector"):
        list(document_vectors(written(tmp_path / "none.jsonl", {}), {"d7"}, None))
