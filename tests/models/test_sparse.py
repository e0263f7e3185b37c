"""Learned sparse retrieval: a SPLADE that learnt a toy language, and every weight against slow definitions."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.contract import Cost, Document, Example, Prediction, Ranking
from harness.errors import SubmissionError
from harness.models.bm25 import Bm25, Bm25Config
from harness.models.sparse import Sparse, SparseConfig
from harness.retrieval.embedding_cache import Embedded
from harness.retrieval.sparse_encoder import IdfEncoder, LinearEncoder, MaskedLmEncoder, SparseSettings
from tests.models.toy_world import WORDS, answered_first, config, documents, questions, resources_of, tokenizer

pytestmark = pytest.mark.xdist_group("toy models")
SETTINGS = SparseSettings(max_length=16, batch_size=3)
TEXTS = ["doca the docb .", "asha", "askb askc", "the the of docd docd ."]


def run(folder: Path, settings: SparseConfig, charged: list[Cost] | None = None) -> list[Prediction]:
    model = Sparse(settings, 0)
    model.prepare(resources_of(folder, documents(), charged=charged))
    return model.predict(questions())


def rankings(predictions: list[Prediction]) -> list[tuple[str, Ranking]]:
    assert all(isinstance(prediction.output, Ranking) for prediction in predictions)
    return [(prediction.id, prediction.output) for prediction in predictions]  # type: ignore[misc]


def weights_of(embedded: Embedded) -> list[dict[str, float]]:
    """Weights by term, for each text."""
    rows = np.split(embedded.vectors, np.cumsum(embedded.rows or [])[:-1])
    return [{WORDS[int(term)]: float(weight) for term, weight in of_text} for of_text in rows]


def test_a_trained_splade_bridges_words_that_term_matching_cannot(splade: Path, tmp_path: Path) -> None:
    assert answered_first(rankings(run(tmp_path, SparseConfig(model=str(splade), max_length=16)))) >= 0.9
    bm25 = Bm25(Bm25Config(), 0)
    bm25.prepare(resources_of(tmp_path, documents()))
    assert answered_first(rankings(bm25.predict(questions()))) == 0.0, "no word is shared"


def test_splade_is_log_of_one_plus_relu_of_the_highest_logit(splade: Path) -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    found = weights_of(MaskedLmEncoder(splade, SETTINGS).encode(TEXTS, lambda count: None))
    model = AutoModelForMaskedLM.from_pretrained(splade).eval()
    tokens = AutoTokenizer.from_pretrained(splade)
    for text, weights in zip(TEXTS, found, strict=True):
        with torch.inference_mode():
            logits = model(**tokens(text, return_tensors="pt")).logits[0].tolist()
        for number, word in enumerate(WORDS):
            expected = max(math.log(1 + max(0.0, of_token[number])) for of_token in logits)
            assert weights.get(word, 0.0) == pytest.approx(expected, abs=1e-5), (text, word)


@pytest.fixture(scope="module")
def unicoil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder with a linear head, as uniCOIL has."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertModel

    folder = tmp_path_factory.mktemp("unicoil")
    tokenizer(folder)
    torch.manual_seed(0)
    model = BertModel(config(), add_pooling_layer=False)
    model.save_pretrained(folder)
    head = {"tok_proj.weight": torch.randn(1, 32), "tok_proj.bias": torch.tensor([0.5])}
    tensors = {f"bert.{name}": tensor for name, tensor in model.state_dict().items()}
    save_file(tensors | head, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(("repeated", "combine"), [("maximum", max), ("sum", sum)])
def test_unicoil_weighs_each_token_by_its_own_state(unicoil: Path, repeated: str, combine: object) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    found = weights_of(LinearEncoder(unicoil, SETTINGS, repeated=repeated).encode(TEXTS, lambda count: None))
    head = load_file(unicoil / "model.safetensors")
    model, tokens = AutoModel.from_pretrained(unicoil).eval(), AutoTokenizer.from_pretrained(unicoil)
    for text, weights in zip(TEXTS, found, strict=True):
        inputs = tokens(text, return_tensors="pt")
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state[0]
        impacts: dict[str, list[float]] = {}
        for number, state in list(zip(inputs["input_ids"][0].tolist(), states, strict=True))[1:]:
            value = float(state @ head["tok_proj.weight"][0] + head["tok_proj.bias"][0])
            impacts.setdefault(WORDS[number], []).append(max(0.0, value))
        expected = {word: combine(values) for word, values in impacts.items() if combine(values) > 0}  # type: ignore[operator]
        assert weights == pytest.approx(expected, abs=1e-4), text


def test_queries_by_idf_run_no_network(splade: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inference-free"
    shutil.copytree(splade, folder)
    folder.joinpath("idf.json").write_text(json.dumps({"doca": 2.5, "docb": 0.5, "never": 9.0}))
    (weights,) = weights_of(IdfEncoder(folder, SETTINGS).encode(["docb doca doca of"], lambda count: None))
    assert weights == {"doca": 2.5, "docb": 0.5}, "once each, and nothing for words without a weight"
    model = Sparse(SparseConfig(model=str(folder), queries="idf", max_length=16), 0)
    model.prepare(resources_of(tmp_path, documents()))
    (prediction,) = model.predict([Example("q", "doca docb")])
    encode, search = prediction.usage
    assert (encode.stage, encode.prompt_tokens, encode.batch_rows) == ("encode", 4, 0)
    assert search.postings > 0
    stages = {stage.name: stage.device for stage in model.phases().stages}
    assert stages == {"encode": "host", "encode documents": "accelerator", "search": "host", "index": "host"}


def test_queries_by_idf_need_the_table(splade: Path, tmp_path: Path) -> None:
    model = Sparse(SparseConfig(model=str(splade), queries="idf", max_length=16), 0)
    model.prepare(resources_of(tmp_path, documents()))
    with pytest.raises(SubmissionError, match=r"cannot read .*idf\.json"):
        model.predict([Example("q", "doca")])


def test_another_model_may_weigh_the_queries(splade: Path, unicoil: Path, tmp_path: Path) -> None:
    other = tmp_path / "queries"
    shutil.copytree(splade, other)
    (other / "config.json").write_text((splade / "config.json").read_text().replace("}", "}\n"))
    same = run(tmp_path, SparseConfig(model=str(splade), query_model=str(other), max_length=16))
    assert rankings(same) == rankings(run(tmp_path, SparseConfig(model=str(splade), max_length=16)))
    digests = SparseConfig(model=str(splade), query_model=str(other)).artifacts()
    assert {"model.safetensors", "queries/model.safetensors"} <= digests.keys()


def test_batch_sizes_change_no_ranking_and_a_second_run_is_charged_the_first_cost(splade: Path, tmp_path: Path) -> None:
    first = rankings(run(tmp_path, SparseConfig(model=str(splade), max_length=16)))
    charged: list[Cost] = []
    again = rankings(run(tmp_path, SparseConfig(model=str(splade), max_length=16), charged))
    assert again == first
    assert len(charged) == 2, "documents, queries"
    for size in (1, 5, 64):
        other = tmp_path / str(size)
        other.mkdir()
        found = rankings(run(other, SparseConfig(model=str(splade), max_length=16, encode_batch_size=size)))
        assert [(id, ranking.ids) for id, ranking in found] == [(id, ranking.ids) for id, ranking in first]


def test_work_is_counted(splade: Path, tmp_path: Path) -> None:
    model = Sparse(SparseConfig(model=str(splade), max_length=16), 0)
    prepared = model.prepare(resources_of(tmp_path, documents()))
    (prediction,) = model.predict([Example("q", "aska askb")])
    encode, search = prediction.usage
    assert encode.prompt_tokens == 4
    assert 0 < search.documents <= 18
    assert 0 < search.postings <= prepared.facts["postings"]
    assert 0 < search.prompt_tokens <= len(WORDS), "the terms that the query weighs"
    work = model.phases()
    queries, documents_, lists, index = work.stages
    assert (queries.name, documents_.name, lists.name, index.name) == ("encode", "encode documents", "search", "index")
    names = [operation.name for operation in queries.prompt[0][1].operations]
    assert names[-2:] == ["head_0", "head_1"], "the masked-LM head is work too"
    assert sum(tally.examples for tally in work.preparing if tally.stage == "encode documents") == 18
    assert model.again([Example("q", "aska askb")]) == [prediction]


def test_candidates_restrict_the_ranking(splade: Path, tmp_path: Path) -> None:
    model = Sparse(SparseConfig(model=str(splade), max_length=16), 0)
    model.prepare(resources_of(tmp_path, documents()))
    (free,) = model.predict([Example("q", "aska askb")])
    (bound,) = model.predict([Example("q", "aska askb", candidates=("d03", "d01", "gone"))])
    assert isinstance(free.output, Ranking) and isinstance(bound.output, Ranking)
    kept = [(id, score) for id, score in zip(free.output.ids, free.output.scores, strict=True) if id in ("d01", "d03")]
    assert list(zip(bound.output.ids, bound.output.scores, strict=True)) == kept


def test_quantized_weights_rank_nearly_the_same(splade: Path, tmp_path: Path) -> None:
    exact = run(tmp_path, SparseConfig(model=str(splade), max_length=16))
    whole = run(tmp_path, SparseConfig(model=str(splade), max_length=16, quantize=True))
    assert answered_first(rankings(whole)) == answered_first(rankings(exact))
    assert all(score == int(score) for _, ranking in rankings(whole) for score in ranking.scores)


def test_weights_of_another_kind_are_refused(splade: Path, unicoil: Path, tmp_path: Path) -> None:
    for settings, words in [
        (SparseConfig(model=str(splade), head="linear", max_length=16), "no tensor tok_proj.weight"),
        (SparseConfig(model=str(unicoil), max_length=16), "lack .* tensors of the model"),
    ]:
        with pytest.raises(SubmissionError, match=words):
            Sparse(settings, 0).prepare(resources_of(tmp_path, [Document(id="a", text="doca")]))


def test_idf_and_a_query_model_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="there is none to name"):
        SparseConfig(model="org/name", queries="idf", query_model="org/other")
