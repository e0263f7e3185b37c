"""Embeddings made elsewhere: the same ranking as exact search gives, and complaints that name file, id and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.contract import Corpus, Example, Inputs, Prediction, Prepared, Ranking, Request, Resources, Usage
from harness.errors import SubmissionError
from harness.models.embeddings import Embeddings, EmbeddingsConfig

DOCUMENTS = {"d1": [1.0, 0.0], "d2": [3.0, 3.0], "d3": [0.0, 2.0], "d4": [0.0, 0.0]}
QUERIES = {"q1": [1.0, 0.1], "q2": [0.0, 5.0]}
FILES = {"documents": "d.npy", "document_ids": "d.txt", "queries": "q.npy", "query_ids": "q.txt"}


def write(folder: Path, documents: dict[str, list[float]] = DOCUMENTS, queries: Any = QUERIES) -> None:
    for name, vectors in (("d", documents), ("q", queries)):
        np.save(folder / f"{name}.npy", np.array(list(vectors.values()), np.float32))
        (folder / f"{name}.txt").write_text("".join(f"{id}\n" for id in vectors))
    (folder / "corpus.jsonl").write_text("".join(f'{{"_id": "{id}"}}\n' for id in DOCUMENTS))


def prepared(folder: Path, **options: object) -> tuple[Embeddings, Prepared]:
    config = EmbeddingsConfig.model_validate(FILES | options, context={"folder": folder})
    inputs = Inputs(Request(depth=3), Corpus(str(folder / "corpus.jsonl"), len(DOCUMENTS), ""))
    model = Embeddings(config, seed=0)
    return model, model.prepare(Resources(inputs, ("q1", "q2", "q3"), folder, folder))


def answers(folder: Path, **options: object) -> dict[str, Prediction]:
    model, _ = prepared(folder, **options)
    return {p.id: p for p in model.predict([Example(id, "") for id in ("q1", "q2", "q3")])}


def complaint(folder: Path, **options: object) -> str:
    with pytest.raises(SubmissionError) as refusal:
        prepared(folder, **options)
    return f"{refusal.value.message} {refusal.value.hint}"


def ranking(prediction: Prediction) -> list[str]:
    assert isinstance(prediction.output, Ranking)
    return prediction.output.ids


def test_cosine_and_dot_rank_as_they_should(tmp_path: Path) -> None:
    write(tmp_path)
    cosine, dot = answers(tmp_path), answers(tmp_path, similarity="dot")  # of equal scores the later id comes first
    assert ranking(cosine["q1"]) == ["d1", "d2", "d3"]
    assert ranking(dot["q1"]) == ["d2", "d1", "d3"]
    assert cosine["q2"].output == Ranking(["d3", "d2", "d4"], [1.0, pytest.approx(0.5**0.5), 0.0])
    assert dot["q2"].output == Ranking(["d2", "d3", "d4"], [15.0, 10.0, 0.0])


def test_a_query_without_a_vector_is_left_out_and_work_is_counted(tmp_path: Path) -> None:
    write(tmp_path)
    found = answers(tmp_path)
    assert set(found) == {"q1", "q2"}
    assert found["q1"].usage == (Usage(stage="search", documents=4),)


def test_an_examples_candidates_alone_are_ranked(tmp_path: Path) -> None:
    write(tmp_path)
    model, _ = prepared(tmp_path)
    (everywhere,) = model.predict([Example("q1", "")])
    wanted = [ranking(everywhere)[-1], ranking(everywhere)[0]]
    (among,) = model.predict([Example("q1", "", candidates=(*wanted, "nowhere"))])
    assert ranking(among) == [id for id in ranking(everywhere) if id in wanted]
    assert among.usage[0].documents == 2


def test_the_order_of_the_files_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    before = {id: prediction.output for id, prediction in answers(tmp_path).items()}
    write(tmp_path, dict(reversed(DOCUMENTS.items())), dict(reversed(QUERIES.items())))
    assert {id: prediction.output for id, prediction in answers(tmp_path).items()} == before


def test_one_safetensors_file_may_hold_both(tmp_path: Path) -> None:
    write(tmp_path)
    before = answers(tmp_path)
    tensors = {"documents": np.load(tmp_path / "d.npy"), "queries": np.load(tmp_path / "q.npy")}
    save_file(tensors, tmp_path / "both.safetensors")
    assert answers(tmp_path, documents="both.safetensors", queries="both.safetensors") == before


def test_facts_are_reported(tmp_path: Path) -> None:
    write(tmp_path, queries={**QUERIES, "train1": [0.0, 1.0]})
    _, found = prepared(tmp_path, ignore_unknown_queries=True)
    assert found.facts == {"dimensions": 2, "zero_vectors": 1, "ignored_queries": 1, "answers": 2}
    assert found.index_ram_bytes is None


def test_the_digest_is_of_all_four_files(tmp_path: Path) -> None:
    write(tmp_path)
    config = EmbeddingsConfig.model_validate(FILES, context={"folder": tmp_path})
    before = config.artifacts()
    assert set(before) == set(FILES)
    (tmp_path / "d.txt").write_text("changed")
    assert {name for name, digest in config.artifacts().items() if digest != before[name]} == {"document_ids"}
    (tmp_path / "q.npy").unlink()
    with pytest.raises(SubmissionError, match="there is no file"):
        config.artifacts()


def without(vectors: dict[str, list[float]], id: str) -> dict[str, list[float]]:
    return {other: vector for other, vector in vectors.items() if other != id}


@pytest.mark.parametrize(
    ("documents", "queries", "expected"),
    [
        (DOCUMENTS | {"x": [1.0, 1.0]}, QUERIES, "d.txt, line 5: document 'x' is not in the task's corpus"),
        (
            without(DOCUMENTS, "d3"),
            QUERIES,
            "d.txt: 1 of the corpus's 4 documents have no vector, the first of them 'd3'",
        ),
        (DOCUMENTS, {"x": [1.0, 1.0]}, "q.txt has none of the task's 3 queries"),
        (DOCUMENTS, QUERIES | {"x": [1.0, 1.0]}, "q.txt, line 3: the task does not ask query 'x'"),
        (DOCUMENTS, {"q1": [1.0, 1.0, 1.0]}, "d.npy has 2 dimensions, and"),
        (DOCUMENTS | {"d2": [1.0, float("nan")]}, QUERIES, "d.npy, row 2: the vector of 'd2' holds NaN"),
    ],
)
def test_files_of_something_else_are_refused_by_name(
    tmp_path: Path, documents: Any, queries: Any, expected: str
) -> None:
    write(tmp_path, documents, queries)
    assert expected in complaint(tmp_path)


def test_a_bad_query_vector_is_found_before_anything_is_answered(tmp_path: Path) -> None:
    write(tmp_path, queries={"q1": [1.0, 1.0], "q2": [float("inf"), 0.0]})
    assert "q.npy, row 2: the vector of 'q2' holds NaN" in complaint(tmp_path)
