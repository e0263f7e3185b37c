"""Late interaction: a ColBERT that learnt a toy language, and every token vector against its definition."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harness.contract import Cost, Document, Example, Prediction, Ranking
from harness.errors import SubmissionError
from harness.models.late_interaction import LateInteraction, LateInteractionConfig
from harness.retrieval.max_sim import TokenVectors
from harness.retrieval.token_encoder import TokenEncoder, TokenSettings
from tests.models.toy_world import WORDS, answered_first, documents, questions, resources_of
from tests.retrieval.test_max_sim import by_loops

pytestmark = pytest.mark.xdist_group("toy models")
SETTINGS = TokenSettings(query_length=8, document_length=12, batch_size=2)
TEXTS = ["doca , the docb !", "doch", "docc docd . doce the of docf and docg doch"]


def settings_of(folder: Path, **more: object) -> LateInteractionConfig:
    given = {"model": str(folder), "query_length": 8, "document_length": 12, **more}
    return LateInteractionConfig.model_validate(given)


def run(folder: Path, config: LateInteractionConfig, charged: list[Cost] | None = None) -> list[Prediction]:
    model = LateInteraction(config, 0)
    model.prepare(resources_of(folder, documents(), charged=charged))
    return model.predict(questions())


def rankings(predictions: list[Prediction]) -> list[tuple[str, Ranking]]:
    return [(prediction.id, prediction.output) for prediction in predictions]  # type: ignore[misc]


def vectors_of(folder: Path, ids: list[int], attended: int) -> np.ndarray:
    """Unit vectors of token ids, computed for this one text."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    mask = torch.tensor([[1] * attended + [0] * (len(ids) - attended)])
    with torch.inference_mode():
        states = model(input_ids=torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
        projected = states @ load_file(folder / "model.safetensors")["linear.weight"].T
    found: np.ndarray = (projected / projected.norm(dim=1, keepdim=True)).numpy()
    return found


def numbers(words: str) -> list[int]:
    return [WORDS.index(word) for word in words.split()]


def test_a_trained_colbert_bridges_words_that_term_matching_cannot(colbert: Path, tmp_path: Path) -> None:
    assert answered_first(rankings(run(tmp_path, settings_of(colbert)))) >= 0.9


def test_documents_are_marked_and_lose_their_punctuation(colbert: Path) -> None:
    encoded = TokenEncoder(colbert, SETTINGS).encode_documents(TEXTS, lambda count: None)
    assert encoded.work.tokens == [8, 4, 12]
    assert encoded.work.truncated == 1
    assert encoded.rows == [6, 4, 11]
    first = TokenVectors.of(encoded.vectors, encoded.rows).texts()[0]
    ids = numbers("[CLS] [unused1] doca , the docb ! [SEP]")
    expected = vectors_of(colbert, ids, len(ids))[[0, 1, 2, 4, 5, 7]]
    np.testing.assert_allclose(first, expected, atol=2e-3)
    assert first.dtype == np.float16
    whole = TokenEncoder(colbert, replace(SETTINGS, skip_punctuation=False)).encode_documents(TEXTS, lambda count: None)
    assert whole.rows == [8, 4, 12]


def test_queries_are_filled_up_with_masks_that_nothing_attends_to(colbert: Path) -> None:
    encoded = TokenEncoder(colbert, SETTINGS).encode_queries(["asha askb askc", "aska"], lambda count: None)
    assert encoded.rows == [8, 8]
    assert encoded.work.tokens == [8, 8], "the masks are computed too"
    ids = numbers("[CLS] [unused0] aska [SEP] [MASK] [MASK] [MASK] [MASK]")
    second = TokenVectors.of(encoded.vectors, encoded.rows).texts()[1]
    np.testing.assert_allclose(second, vectors_of(colbert, ids, 4), atol=2e-3)
    bare = TokenEncoder(colbert, replace(SETTINGS, augment_queries=False)).encode_queries(["aska"], lambda count: None)
    assert bare.rows == [4]
    np.testing.assert_allclose(bare.vectors, vectors_of(colbert, ids[:4], 4), atol=2e-3)


def test_a_ranking_is_max_sim_by_loops(colbert: Path, tmp_path: Path) -> None:
    encoder = TokenEncoder(colbert, SETTINGS)
    texts = [document.text for document in documents()]
    found = encoder.encode_documents(texts, lambda count: None)
    of_documents = TokenVectors.of(found.vectors, found.rows or []).texts()
    asked = encoder.encode_queries([str(question.input) for question in questions()], lambda count: None)
    of_queries = TokenVectors.of(asked.vectors, asked.rows or []).texts()
    for (_, ranking), query in zip(rankings(run(tmp_path, settings_of(colbert))), of_queries, strict=True):
        scores = {f"d{place:02}": by_loops(query, document) for place, document in enumerate(of_documents)}
        assert dict(zip(ranking.ids, ranking.scores, strict=True)) == pytest.approx(scores, abs=0.05)
        ordered = [scores[id] for id in ranking.ids]
        assert all(left >= right - 0.02 for left, right in pairwise(ordered))


def test_batch_sizes_change_no_ranking_and_a_second_run_is_charged_the_first_cost(
    colbert: Path, tmp_path: Path
) -> None:
    first = rankings(run(tmp_path, settings_of(colbert)))
    charged: list[Cost] = []
    assert rankings(run(tmp_path, settings_of(colbert), charged)) == first
    assert len(charged) == 2, "documents, queries"
    for size in (1, 7):
        other = tmp_path / str(size)
        other.mkdir()
        found = rankings(run(other, settings_of(colbert, encode_batch_size=size, batch_size=size)))
        assert [ranking.ids for _, ranking in found] == [ranking.ids for _, ranking in first]


def test_candidates_get_the_scores_of_the_whole_search(colbert: Path, tmp_path: Path) -> None:
    model = LateInteraction(settings_of(colbert), 0)
    model.prepare(resources_of(tmp_path, documents()))
    candidates = ("d11", "gone", "d02", "d05")
    free, bound = model.predict([Example("q", "aska askb"), Example("r", "aska askb", candidates=candidates)])
    assert isinstance(free.output, Ranking) and isinstance(bound.output, Ranking)
    pairs = zip(free.output.ids, free.output.scores, strict=True)
    assert list(zip(bound.output.ids, bound.output.scores, strict=True)) == [
        (id, score) for id, score in pairs if id in candidates
    ]
    assert (free.usage[1].documents, bound.usage[1].documents) == (18, 3)


def test_work_is_counted(colbert: Path, tmp_path: Path) -> None:
    model = LateInteraction(settings_of(colbert), 0)
    prepared = model.prepare(resources_of(tmp_path, documents()))
    assert prepared.facts["dimensions"] == 8
    vectors = int(prepared.facts["vectors"])
    (prediction,) = model.predict([Example("q", "aska")])
    assert [usage.stage for usage in prediction.usage] == ["encode", "search"]
    encode, search = model.phases().stages
    assert encode.prompt[0][1].operations[-1].name == "head_0"
    (match,) = search.each["documents"].operations
    assert match.flops * 18 == pytest.approx(2 * 8 * vectors * 8), "query tokens × vectors × dimensions"
    assert search.index_bytes == 2 * vectors * 8
    assert model.again([Example("q", "aska")]) == [prediction]


def test_the_projection_may_lie_where_sentence_transformers_keeps_it(colbert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "pylate"
    shutil.copytree(colbert, folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "1_Dense").mkdir()
    save_file({"linear.weight": tensors.pop("linear.weight")}, folder / "1_Dense" / "model.safetensors")
    save_file(tensors, folder / "model.safetensors")
    assert "1_Dense/model.safetensors" in settings_of(folder).artifacts()
    ids = [ranking.ids for _, ranking in rankings(run(tmp_path, settings_of(folder)))]
    assert ids == [ranking.ids for _, ranking in rankings(run(tmp_path, settings_of(colbert)))]


def test_what_is_no_colbert_is_refused(splade: Path, colbert: Path, tmp_path: Path) -> None:
    for config, words in [
        (settings_of(splade), "no tensor linear.weight"),
        (settings_of(colbert, query_marker="[Q] "), r"the marker '\[Q\] ' is not a token"),
        (settings_of(colbert, document_length=65), "max_length is 65, but .* has 64 positions"),
    ]:
        with pytest.raises(SubmissionError, match=words):
            LateInteraction(config, 0).prepare(resources_of(tmp_path, [Document(id="a", text="doca")]))


def test_an_empty_document_keeps_its_special_tokens(colbert: Path, tmp_path: Path) -> None:
    model = LateInteraction(settings_of(colbert), 0)
    model.prepare(resources_of(tmp_path, [Document(id="a", text=""), Document(id="b", text="doca")]))
    (prediction,) = model.predict([Example("q", "aska")])
    assert isinstance(prediction.output, Ranking)
    assert sorted(prediction.output.ids) == ["a", "b"]
