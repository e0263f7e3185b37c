"""DBNorm as a stage: what its banks are made of, and on real data that it helps one-to-one and hurts many-to-one."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.contract import Document, Example, Labelled, LabelledSet, Places, Prediction, Ranking, Resources
from harness.metrics.hubness import hubness
from harness.models.pipeline import Pipeline, PipelineConfig
from tests.models.toy_world import resources_of

pytestmark = pytest.mark.skipif(find_spec("wordllama") is None, reason="needs pip install 'equal-footing[models]'")
STATIC = {"kind": "static"}
LIBRARY = [
    Document(id=f"d{n}", text=text) for n, text in enumerate(["a white whale", "a deep wood", "a small village"])
]


def stages(**settings: Any) -> Pipeline:
    return Pipeline(PipelineConfig.model_validate({"stages": [STATIC, {"kind": "dbnorm", **settings}]}), 0)


def train_set(folder: Path, texts: Sequence[str]) -> LabelledSet:
    return LabelledSet.write(folder / "train", [Labelled(f"t{n}", text, "") for n, text in enumerate(texts)])


def rankings(predictions: Sequence[Prediction]) -> list[Ranking]:
    found = [prediction.output for prediction in predictions]
    assert all(isinstance(output, Ranking) for output in found)
    return found  # type: ignore[return-value]


def test_banks_say_what_they_are_made_of(tmp_path: Path) -> None:
    with_train = stages().prepare(resources_of(tmp_path, LIBRARY, train=train_set(tmp_path, ["whales", "woods"])))
    assert with_train.facts["dbnorm/query_bank"] == "2 train queries"
    assert with_train.facts["dbnorm/document_bank"] == "3 documents"
    without = stages(bank_size=2).prepare(resources_of(tmp_path, LIBRARY))
    assert without.facts["dbnorm/query_bank"] == "2 documents in place of queries"
    assert without.facts["dbnorm/document_bank"] == "2 documents"


def test_every_query_is_ranked_by_itself(tmp_path: Path) -> None:
    """No test query is in a bank: what is asked beside a query changes nothing."""
    model = stages()
    model.prepare(resources_of(tmp_path, LIBRARY))
    examples = [Example("a", "a whale"), Example("b", "trees"), Example("c", "people of a village")]
    together = model.predict(examples)
    assert [model.predict([example])[0].output for example in examples] == [p.output for p in together]
    assert [p.output for p in model.again(examples)] == [p.output for p in together]
    assert [usage.stage for usage in together[0].usage] == ["static/encode", "static/search", "dbnorm"]


def test_without_a_bank_there_is_nothing_to_normalise() -> None:
    with pytest.raises(ValueError, match="are both 0, so nothing would be normalised"):
        stages(query_beta=0.0, document_beta=0.0)


def test_one_document_is_no_hub(tmp_path: Path) -> None:
    found = []
    for model in (stages(), Pipeline(PipelineConfig.model_validate({"stages": [STATIC]}), 0)):
        model.prepare(resources_of(tmp_path, LIBRARY[:1]))
        found.append(rankings(model.predict([Example("a", "a whale")]))[0])
    assert found[0] == found[1]


@pytest.mark.data
def test_it_helps_where_each_query_means_one_document(data_root: Path, tmp_path: Path) -> None:
    """Docstrings and functions: 2,000 pairs to match, and 2,000 other docstrings as the bank."""
    file = data_root / "codesearchnet" / "pypi" / "python_local.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"needs {file}")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        pairs = [(" ".join(row["docstring_tokens"]), row["code_nodoc"]) for row in map(json.loads, lines)]
    random.Random(0).shuffle(pairs)
    test, train = pairs[:2000], [query for query, _ in pairs[2000:4000]]
    documents = [Document(id=f"{n:04}", text=code) for n, (_, code) in enumerate(test)]
    examples = [Example(f"{n:04}", query) for n, (query, _) in enumerate(test)]
    first, hubs = {}, {}
    for name, model in {
        "plain": Pipeline(PipelineConfig.model_validate({"stages": [STATIC]}), 0),
        "inverted softmax": stages(dynamic=False, document_beta=0.0, bank_size=2000),
        "dynamic": stages(document_beta=0.0, bank_size=2000),
    }.items():
        model.prepare(resources_of(tmp_path, documents, train=train_set(tmp_path, train)))
        found = rankings(model.predict(examples))
        first[name] = np.mean([r.ids[0] == e.id for r, e in zip(found, examples, strict=True)])
        hubs[name] = hubness(found, len(documents)) or 0.0
    assert first["inverted softmax"] > first["plain"] + 0.01
    assert first["dynamic"] > first["plain"] + 0.01
    assert hubs["dynamic"] < hubs["inverted softmax"] < hubs["plain"] - 0.5


@pytest.mark.data
def test_it_hurts_where_some_documents_answer_many_queries(data_root: Path, tmp_path: Path) -> None:
    """SciFact with its 809 train claims as the bank: the figures of an independent computation with sums of exp."""
    places = Places(data=data_root, cache=tmp_path)
    task = registry.task("beir/scifact")
    if not task.status(places).ready:
        pytest.skip("needs SciFact")
    workload = task.load(places)
    asked = {example.id for example in workload.examples}
    with (data_root / "beir" / "scifact" / "queries.jsonl").open(encoding="utf-8") as lines:
        train = [row["text"] for row in map(json.loads, lines) if row["_id"] not in asked]
    assert len(train) == 809
    inputs = type(workload.inputs)(workload.inputs.request, workload.inputs.corpus, train=train_set(tmp_path, train))

    def ndcg(model: Pipeline) -> float:
        model.prepare(Resources(inputs, [], tmp_path / "scratch", tmp_path / "cache"))
        found = {p.id: p for p in model.predict(workload.examples)}
        return float(workload.scorer.columns(list(found), found)["nDCG@10"].mean())

    assert ndcg(Pipeline(PipelineConfig.model_validate({"stages": [STATIC]}), 0)) == pytest.approx(0.513, abs=5e-4)
    assert ndcg(stages(dynamic=False, document_beta=0.0)) == pytest.approx(0.499, abs=5e-4)
    assert ndcg(stages(document_beta=0.0)) == pytest.approx(0.506, abs=5e-4)
