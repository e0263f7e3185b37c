"""The random model: a floor that is the same every time it is measured."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from harness.config import ModelConfig
from harness.contract import Classes, Corpus, Example, Inputs, Prediction, Ranking, Request, Resources
from harness.models.random_order import RandomOrder

EXAMPLES = [Example(f"q{i}", "text") for i in range(40)]


def corpus(folder: Path, documents: int) -> Corpus:
    path = folder / "corpus.jsonl"
    path.write_text("".join(f'{{"_id": "d{i}", "text": "t"}}\n' for i in range(documents)))
    return Corpus(str(path), documents, "")


def prepared(tmp_path: Path, *, seed: int = 0, documents: int = 50, depth: int = 10) -> RandomOrder:
    model = RandomOrder(ModelConfig(), seed)
    inputs = Inputs(Request(depth=depth), corpus(tmp_path, documents))
    model.prepare(Resources(inputs, [e.id for e in EXAMPLES], tmp_path, tmp_path))
    return model


def classifier(tmp_path: Path, seed: int = 0) -> RandomOrder:
    model = RandomOrder(ModelConfig(), seed)
    model.prepare(Resources(Inputs(Request(labels=("cat", "dog"))), [], tmp_path, tmp_path))
    return model


def rankings(predictions: list[Prediction]) -> dict[str, Ranking]:
    return {p.id: p.output for p in predictions if isinstance(p.output, Ranking)}


def test_it_ranks_distinct_documents_to_the_asked_depth_best_first(tmp_path: Path) -> None:
    found = rankings(prepared(tmp_path).predict(EXAMPLES))
    assert list(found) == [e.id for e in EXAMPLES]
    for ranking in found.values():
        assert len(set(ranking.ids)) == len(ranking.scores) == 10
        assert ranking.scores == sorted(set(ranking.scores), reverse=True)


def test_a_small_corpus_is_ranked_whole(tmp_path: Path) -> None:
    found = rankings(prepared(tmp_path, documents=3).predict(EXAMPLES))
    assert all(sorted(ranking.ids) == ["d0", "d1", "d2"] for ranking in found.values())


def test_batches_and_their_order_change_nothing(tmp_path: Path) -> None:
    whole = prepared(tmp_path).predict(EXAMPLES)
    resumed = prepared(tmp_path)
    backwards = [resumed.predict([example])[0] for example in reversed(EXAMPLES)]
    assert backwards[::-1] == whole


def test_queries_and_seeds_differ(tmp_path: Path) -> None:
    first = rankings(prepared(tmp_path, seed=0).predict(EXAMPLES))
    second = rankings(prepared(tmp_path, seed=1).predict(EXAMPLES))
    assert len({tuple(r.ids) for r in first.values()}) == len(EXAMPLES)
    assert all(first[id].ids != second[id].ids for id in first)


def test_every_document_comes_about_as_often_as_every_other(tmp_path: Path) -> None:
    model = prepared(tmp_path, documents=5, depth=1)
    drawn = rankings(model.predict([Example(str(i), "") for i in range(5000)]))
    counts = Counter(ranking.ids[0] for ranking in drawn.values())
    assert set(counts) == {"d0", "d1", "d2", "d3", "d4"}
    assert all(850 < count < 1150 for count in counts.values())


def test_an_example_with_candidates_is_answered_with_them(tmp_path: Path) -> None:
    (prediction,) = prepared(tmp_path).predict([Example("q", "text", candidates=("d7", "d9"))])
    assert sorted(rankings([prediction])["q"].ids) == ["d7", "d9"]


def test_classes_are_the_tasks_labels_and_stay_the_same(tmp_path: Path) -> None:
    predictions = classifier(tmp_path).predict(EXAMPLES)
    assert {p.output.label for p in predictions if isinstance(p.output, Classes)} == {"cat", "dog"}
    assert classifier(tmp_path).predict(EXAMPLES[5:]) == predictions[5:]
    assert classifier(tmp_path, seed=1).predict(EXAMPLES) != predictions


def test_the_shipped_submission_names_it() -> None:
    path = Path(__file__).parents[2] / "submissions/random.yaml"
    assert yaml.safe_load(path.read_text())["model"] == {"kind": RandomOrder.kind}


@pytest.mark.data
def test_on_scifact_it_draws_a_thousand_of_5183_documents(tmp_path: Path, data_root: Path) -> None:
    path = data_root / "beir/scifact/corpus.jsonl"
    model = RandomOrder(ModelConfig(), 0)
    inputs = Inputs(Request(depth=1001), Corpus(str(path), 5183, ""))
    facts = model.prepare(Resources(inputs, ["1"], tmp_path, tmp_path)).facts
    (prediction,) = model.predict([Example("1", "text")])
    assert facts == {"choices": 5183}
    assert len(set(rankings([prediction])["1"].ids)) == 1001
