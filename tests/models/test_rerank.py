"""Cross-encoder reranking: a classifier that learnt a toy language, and every score against one pair at a time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.contract import Example, Prediction, Ranking
from harness.errors import DataError, InputError, SubmissionError
from harness.models.rerank import Rerank, RerankConfig
from harness.retrieval.cross_encoder import CrossEncoder, PairSettings
from tests.models.toy_world import answered_first, documents, questions, resources_of

pytestmark = pytest.mark.xdist_group("toy models")
ALL = tuple(document.id for document in documents())
PAIRS = [("aska askb", "doca the docb ."), ("askc", "docd docc and docd of doca ."), ("askh aska", "doch")]


def settings_of(folder: Path, **more: object) -> RerankConfig:
    return RerankConfig.model_validate({"model": str(folder), "max_length": 16, **more})


def run(folder: Path, config: RerankConfig, candidates: tuple[str, ...] = ALL) -> list[Prediction]:
    model = Rerank(config, 0)
    model.prepare(resources_of(folder, documents()))
    return model.predict([Example(q.id, q.input, candidates=candidates) for q in questions()])


def rankings(predictions: list[Prediction]) -> list[tuple[str, Ranking]]:
    return [(prediction.id, prediction.output) for prediction in predictions]  # type: ignore[misc]


def test_a_trained_cross_encoder_finds_the_documents_that_answer(cross_encoder: Path, tmp_path: Path) -> None:
    assert answered_first(rankings(run(tmp_path, settings_of(cross_encoder)))) >= 0.9


def test_scores_are_those_of_each_pair_alone(cross_encoder: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    scores, work = CrossEncoder(cross_encoder, PairSettings(max_length=16, batch_size=2)).score(PAIRS)
    model = AutoModelForSequenceClassification.from_pretrained(cross_encoder).eval()
    tokens = AutoTokenizer.from_pretrained(cross_encoder)
    for (query, document), score, count in zip(PAIRS, scores, work.tokens, strict=True):
        inputs = tokens(query, document, return_tensors="pt")
        with torch.inference_mode():
            assert score == pytest.approx(float(model(**inputs).logits), abs=1e-5)
        assert count == inputs["input_ids"].shape[1]


def test_the_longer_of_two_texts_is_cut(cross_encoder: Path) -> None:
    long = "doca docb docc docd doce docf docg doch " * 2
    scores, work = CrossEncoder(cross_encoder, PairSettings(max_length=10)).score(
        [("aska askb", long), ("aska askb", "doca docb docc docd doce")]
    )
    assert (work.tokens, work.truncated) == ([10, 10], 1)
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_two_outputs_are_the_log_odds_of_the_second(cross_encoder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "two"
    shutil.copytree(cross_encoder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = torch.cat([-tensors[name], tensors[name]])
    save_file(tensors, folder / "model.safetensors")
    one, _ = CrossEncoder(cross_encoder, PairSettings(max_length=16)).score(PAIRS)
    two, _ = CrossEncoder(folder, PairSettings(max_length=16)).score(PAIRS)
    assert two.tolist() == pytest.approx((2 * one).tolist(), abs=1e-4)


def test_a_classifier_of_three_classes_is_no_reranker(cross_encoder: Path, tmp_path: Path) -> None:
    from transformers import BertForSequenceClassification

    from tests.models.toy_world import config, tokenizer

    tokenizer(tmp_path)
    BertForSequenceClassification(config(num_labels=3)).save_pretrained(tmp_path)
    with pytest.raises(SubmissionError, match="sorts pairs into 3 classes"):
        CrossEncoder(tmp_path, PairSettings(max_length=16))


def test_an_encoder_without_a_classifier_is_refused(splade: Path) -> None:
    with pytest.raises(SubmissionError, match="tensors of the model, such as"):
        CrossEncoder(splade, PairSettings(max_length=16))


def test_batch_sizes_change_no_ranking(cross_encoder: Path, tmp_path: Path) -> None:
    whole = rankings(run(tmp_path, settings_of(cross_encoder)))
    for size in (1, 13):
        found = rankings(run(tmp_path, settings_of(cross_encoder, encode_batch_size=size)))
        assert [(id, ranking.ids) for id, ranking in found] == [(id, ranking.ids) for id, ranking in whole]
    model = Rerank(settings_of(cross_encoder), 0)
    model.prepare(resources_of(tmp_path, documents()))
    alone = [model.predict([Example(q.id, q.input, candidates=ALL)])[0] for q in questions()]
    assert [ranking.ids for _, ranking in rankings(alone)] == [ranking.ids for _, ranking in whole]


def test_work_is_counted(cross_encoder: Path, tmp_path: Path) -> None:
    model = Rerank(settings_of(cross_encoder), 0)
    model.prepare(resources_of(tmp_path, documents()))
    (prediction,) = model.predict([Example("q", "aska askb", candidates=("d00", "d01", "d00"))])
    assert isinstance(prediction.output, Ranking)
    (usage,) = prediction.usage
    assert (usage.stage, usage.documents, usage.prompt_tokens) == ("rerank", 2, 2 * 11), "a repeated one counts once"
    (stage,) = model.phases().stages
    pair = stage.each["documents"]
    assert pair.operations[-1].name == "head_0"
    assert pair.flops == pytest.approx(2 * 11 * 2 * (4 * 32 * 32 + 2 * 32 * 64), rel=0.2), "two layers, eleven tokens"


def test_a_task_without_candidates_needs_a_stage_above(cross_encoder: Path, tmp_path: Path) -> None:
    model = Rerank(settings_of(cross_encoder), 0)
    model.prepare(resources_of(tmp_path, documents()))
    with pytest.raises(InputError, match="nothing to rerank for 'q00'") as caught:
        model.predict([Example("q00", "aska")])
    assert "`stages:`" in caught.value.hint
    with pytest.raises(DataError, match="'gone', which is not in the corpus"):
        model.predict([Example("q00", "aska", candidates=("gone",))])


def test_no_candidates_is_an_empty_ranking(cross_encoder: Path, tmp_path: Path) -> None:
    model = Rerank(settings_of(cross_encoder), 0)
    model.prepare(resources_of(tmp_path, documents()))
    (prediction,) = model.predict([Example("q", "aska", candidates=())])
    assert prediction.output == Ranking([], [])
