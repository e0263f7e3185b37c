"""Stages: what may stand where, whose rankings each takes up, and what a whole pipeline answers, costs and says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import ModelConfig
from harness.contract import Classes, Cost, Document, Example, Failure, Prediction, Prepared, Ranking, Resources, Usage
from harness.errors import InvalidPrediction, RunFailed
from harness.models.bm25 import Bm25, Bm25Config
from harness.models.dense import Dense, DenseConfig
from harness.models.pipeline import Pipeline, PipelineConfig, PlanError, StageSpec, followed, labels, plan
from harness.retrieval.fusion import reciprocal_rank
from tests.models.test_dense import MINILM, needs_minilm
from tests.models.test_dense import tiny_bert as tiny_bert
from tests.models.toy_world import answered_first, documents, questions, resources_of

pytestmark = pytest.mark.xdist_group("toy models")

LIBRARY = [
    Document(id="emma", title="Emma", text="a young woman makes matches and mistakes in a village"),
    Document(id="moby", title="Moby-Dick", text="a captain hunts a white whale over the seas"),
    Document(id="walden", title="Walden", text="a man lives alone in the woods beside a pond"),
]
ASKED = [Example("q1", "the white whale"), Example("q2", "a lonely person in the forest")]


def pipeline(*stages: dict[str, Any]) -> Pipeline:
    return Pipeline(PipelineConfig.model_validate({"stages": list(stages)}), 0)


def answers(model: Pipeline, folder: Path, library: Sequence[Document] = LIBRARY, asked: Sequence[Example] = ASKED):  # type: ignore[no-untyped-def]
    model.prepare(resources_of(folder, library))
    return model.predict(asked)


def ranking(prediction: Prediction) -> Ranking:
    assert isinstance(prediction.output, Ranking)
    return prediction.output


# --- What may stand where ---------------------------------------------------------------------------------------------


def planned(*stages: dict[str, Any]) -> list[list[int]]:
    return plan(PipelineConfig.model_validate({"stages": list(stages)}).stages)


BM25, FUSE, DBNORM = {"kind": "bm25"}, {"kind": "fuse"}, {"kind": "dbnorm"}
DENSE, RERANK = {"kind": "dense", "model": "org/x"}, {"kind": "rerank", "model": "org/y"}
COLBERT = {"kind": "late_interaction", "model": "org/z"}


def test_fuse_takes_all_that_lies_there_and_others_the_last() -> None:
    assert planned(BM25) == [[]]
    assert planned(BM25, DENSE, FUSE) == [[], [], [0, 1]]
    assert planned(BM25, RERANK) == [[], [0]]
    assert planned(BM25, DENSE, DBNORM, FUSE, RERANK) == [[], [], [1], [0, 2], [3]]
    assert planned(BM25, RERANK, DENSE, FUSE) == [[], [0], [], [1, 2]], "a branch may be reranked before it is fused"
    assert planned(BM25, COLBERT, FUSE) == [[], [], [0, 1]]
    assert planned(BM25, {**COLBERT, "first": 50}) == [[], [0]], "with `first`, a retriever reranks"


@pytest.mark.parametrize(
    ("stages", "at", "words"),
    [
        ((FUSE,), 0, "`fuse` reworks rankings, and no stage above it makes one"),
        ((RERANK,), 0, "`rerank` reworks rankings"),
        (({**COLBERT, "first": 5},), 0, "no stage above"),
        ((BM25, FUSE), 1, "there is only one ranking above it"),
        ((BM25, BM25), 1, "2 rankings are left in the end; add `- kind: fuse`"),
        ((DENSE, BM25, DBNORM), 2, "it must stand right below `dense` or `static`"),
        ((DENSE, RERANK, DBNORM), 2, "it must stand right below"),
        (({**DENSE, "search": "hnsw"}, DBNORM), 1, "the stage above must have `search: exact`"),
        ((BM25, DENSE, {**FUSE, "method": "weighted_sum", "weights": [1.0, 1.0, 1.0]}), 2, "3 weights for 2 rankings"),
        (({"kind": "python", "path": "m.py:M", "offers": ["classes"]},), 0, "it does not offer `ranking`"),
    ],
)
def test_stages_that_do_not_fit_are_named(stages: tuple[dict[str, Any], ...], at: int, words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        planned(*stages)
    assert caught.value.stage == at


def test_every_stage_has_a_name_of_its_own() -> None:
    assert labels(["bm25", "dense", "dense", "fuse", "dense"]) == ["bm25", "dense", "dense 2", "fuse", "dense 3"]


# --- What it answers --------------------------------------------------------------------------------------------------


def test_one_stage_answers_as_its_model_alone(tmp_path: Path) -> None:
    alone = Bm25(Bm25Config(), 0)
    alone.prepare(resources_of(tmp_path, LIBRARY))
    for whole, single in zip(answers(pipeline(BM25), tmp_path), alone.predict(ASKED), strict=True):
        assert whole.output == single.output
        assert [usage.stage for usage in whole.usage] == ["bm25/search"]


@needs_minilm
def test_bm25_and_minilm_fused_share_the_embeddings_of_minilm_alone(tmp_path: Path) -> None:
    dense = {"kind": "dense", "model": MINILM, "max_length": 32}
    single = [Bm25(Bm25Config(), 0), Dense(DenseConfig(model=MINILM, max_length=32, batch_size=256), 0)]
    for model in single:
        model.prepare(resources_of(tmp_path, LIBRARY))
    alone = [[ranking(p) for p in model.predict(ASKED)] for model in single]
    charged: list[Cost] = []
    whole = pipeline(BM25, dense, FUSE)
    prepared = whole.prepare(resources_of(tmp_path, LIBRARY, charged=charged))
    assert len(charged) == 1, "the corpus was found in the cache, and is charged at its first cost"
    assert prepared.facts["dense/dimensions"] == 384
    parts = [model.prepare(resources_of(tmp_path, LIBRARY)) for model in single]
    sizes = [(part.index_ram_bytes or 0) + (part.index_disk_bytes or 0) for part in parts if part]
    assert (prepared.index_ram_bytes or 0) + (prepared.index_disk_bytes or 0) == sum(sizes)
    predictions = whole.predict(ASKED)
    assert len(charged) == 2, "so were the queries"
    for prediction, *parts in zip(predictions, *alone, strict=True):
        fused = reciprocal_rank(parts)
        assert dict(zip(ranking(prediction).ids, ranking(prediction).scores, strict=True)) == pytest.approx(fused)
        stages = [usage.stage for usage in prediction.usage]
        assert stages == ["bm25/search", "dense/encode", "dense/search", "fuse"]
        assert prediction.usage[-1].documents == sum(len(part.ids) for part in parts)
    assert ranking(predictions[0]).ids[0] == "moby"
    assert ranking(predictions[1]).ids[0] == "walden"


def test_a_cross_encoder_reworks_the_first_and_leaves_the_rest_below(cross_encoder: Path, tmp_path: Path) -> None:
    rerank = {"kind": "rerank", "model": str(cross_encoder), "max_length": 16, "first": 6}
    drawn = answers(pipeline({"kind": "random"}), tmp_path, documents(), questions())
    reranked = answers(pipeline({"kind": "random"}, rerank), tmp_path, documents(), questions())
    for before, after in zip(map(ranking, drawn), map(ranking, reranked), strict=True):
        assert set(after.ids[:6]) == set(before.ids[:6])
        assert after.ids[6:] == before.ids[6:]
        assert after.scores == sorted(set(after.scores), reverse=True)
    (usage,) = reranked[0].usage
    assert (usage.stage, usage.documents) == ("rerank", 6), "random counts no work"
    everything = answers(pipeline({"kind": "random"}, {**rerank, "first": 18}), tmp_path, documents(), questions())
    assert answered_first((p.id, ranking(p)) for p in everything) >= 0.9
    assert answered_first((p.id, ranking(p)) for p in drawn) < 0.4


def test_late_interaction_reranks_with_the_scores_of_its_whole_search(colbert: Path, tmp_path: Path) -> None:
    settings = {"kind": "late_interaction", "model": str(colbert), "query_length": 8, "document_length": 12}
    alone = answers(pipeline(settings), tmp_path, documents(), questions())
    below = answers(pipeline({"kind": "random"}, {**settings, "first": 18}), tmp_path, documents(), questions())
    assert [p.output for p in below] == [p.output for p in alone]
    few = answers(pipeline({"kind": "random"}, {**settings, "first": 5}), tmp_path, documents(), questions())
    for whole, part in zip(map(ranking, alone), map(ranking, few), strict=True):
        assert part.ids[:5] == [id for id in whole.ids if id in part.ids[:5]]


@given(
    head=st.dictionaries(st.text("abc", min_size=1, max_size=2), st.floats(-(2.0**90), 2.0**90, width=32), max_size=6),
    tail=st.lists(st.text("abcd", min_size=1, max_size=3), unique=True, max_size=200),
)
def test_the_rest_ranks_below_in_its_order_also_for_an_evaluator_in_float32(
    head: dict[str, float], tail: list[str]
) -> None:
    from harness.retrieval.fusion import ranked

    above = Ranking(tail, [1.0] * len(tail))
    joined = followed(ranked(head), above)
    again = ranked(dict(zip(joined.ids, joined.scores, strict=True)))
    assert again.ids == joined.ids
    assert joined.ids[len(head) :] == [id for id in tail if id not in head]


# --- Stages of third parties ------------------------------------------------------------------------------------------


class Fixed:
    """A third party's retriever that answers what it was told to."""

    kind, version, runs_code, Config = "fixed", "1", False, ModelConfig
    offers = frozenset({"ranking"})
    batch_size = 5

    def __init__(self, output: Any, refines: bool = False) -> None:
        self.output = output

    def __call__(self, config: ModelConfig, seed: int) -> Fixed:
        return self

    def prepare(self, resources: Resources) -> Prepared | None:
        self.scratch = resources.scratch
        return None

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        if self.output is None:
            return []
        return [Prediction(example.id, self.output, (Usage(nodes=1), Usage(stage="walk"))) for example in examples]


class FirstConfig(ModelConfig):
    first: int = 2


def fixed(*outputs: Any, last: Sequence[StageSpec] = ()) -> Pipeline:
    specs = [StageSpec("fixed", Fixed(output), ModelConfig()) for output in outputs]  # type: ignore[arg-type]
    return Pipeline(PipelineConfig(stages=[*specs, *last]), 0)


FUSED = PipelineConfig.model_validate({"stages": [{"kind": "bm25"}, {"kind": "fuse"}]}).stages[1:]
MOBY = Ranking(["walden", "moby"], [1.0, 2.0])


def test_a_third_party_composes_as_ours_do(tmp_path: Path) -> None:
    model = fixed(MOBY, Ranking(["emma"], [1.0]), last=FUSED)
    (prediction,) = answers(model, tmp_path, asked=ASKED[:1])
    assert ranking(prediction).ids == ["moby", "emma", "walden"], "best first, whatever order it came in"
    stages = [usage.stage for usage in prediction.usage]
    assert stages == ["fixed", "fixed/walk", "fixed 2", "fixed 2/walk", "fuse"]
    assert model.batch_size == 5, "the smallest of its stages"
    assert (tmp_path / "scratch" / "fixed 2").is_dir()
    assert model.prepare(resources_of(tmp_path, LIBRARY)).index_ram_bytes is None, "one stage does not say"
    for method in (model.phases, lambda: model.again(ASKED)):
        with pytest.raises(RunFailed, match="the stage 'fixed' has no method"):
            method()


def test_a_query_that_one_stage_leaves_out_goes_on_with_the_others(tmp_path: Path) -> None:
    (prediction,) = answers(fixed(Failure("refused"), MOBY, last=FUSED), tmp_path, asked=ASKED[:1])
    assert ranking(prediction).ids == ["moby", "walden"]
    (prediction,) = answers(fixed(Failure("refused", "no"), None, last=FUSED), tmp_path, asked=ASKED[:1])
    assert prediction.output == Failure("refused", "no")
    (prediction,) = answers(fixed(None), tmp_path, asked=ASKED[:1])
    assert prediction.output == Failure("unanswered")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (Classes("a"), "the stage 'fixed' answered 'q1' with Classes"),
        (Ranking(["a", "a"], [1.0, 2.0]), "the stage 'fixed' ranked a document of 'q1' twice"),
    ],
)
def test_an_answer_that_is_no_ranking_names_the_stage(output: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidPrediction, match=words):
        answers(fixed(output), tmp_path, asked=ASKED[:1])


def test_a_reranker_may_rank_only_what_it_is_given(tmp_path: Path) -> None:
    above = Ranking(["moby", "walden", "emma"], [3.0, 2.0, 1.0])

    def reranked(output: Ranking) -> list[str]:
        reranker = StageSpec("fixed", Fixed(output), FirstConfig())  # type: ignore[arg-type]
        (prediction,) = answers(fixed(above, last=[reranker]), tmp_path, asked=ASKED[:1])
        return ranking(prediction).ids

    assert reranked(Ranking(["walden"], [-5.0])) == ["walden", "moby", "emma"], "what it leaves out follows"
    with pytest.raises(InvalidPrediction, match="the stage 'fixed 2' ranked a document of 'q1' that it was not given"):
        reranked(Ranking(["emma"], [1.0]))


# --- What it costs ----------------------------------------------------------------------------------------------------


def test_the_work_of_all_stages_is_priced_under_their_names(
    tiny_bert: Path, cross_encoder: Path, tmp_path: Path
) -> None:
    from harness.efficiency.run_prices import reference
    from harness.efficiency.serving import price
    from harness.efficiency.work import tallied

    dense = {"kind": "dense", "model": str(tiny_bert), "max_length": 16}
    rerank = {"kind": "rerank", "model": str(cross_encoder), "max_length": 32}
    model = pipeline(BM25, dense, DBNORM, FUSE, rerank)
    predictions = answers(model, tmp_path)
    work = model.phases()
    names = ["bm25/search", "dense/encode", "dense/search", "dbnorm", "fuse", "rerank"]
    assert [stage.name for stage in work.stages if stage.name != "bm25/index"] == names
    assert {tally.stage for tally in work.preparing} == {"bm25/index", "dense/encode"}
    found = price(work.stages, tallied(usage for p in predictions for usage in p.usage), reference())
    assert [stage.name for stage in found.stages] == names
    assert all(stage.bound_seconds > 0 for stage in found.stages)
    assert [p.output for p in model.again(ASKED)] == [p.output for p in predictions]
    assert model.batch_size == 16
