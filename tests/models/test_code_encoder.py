"""Encoders of code get the input of their format; their vectors are those of a plain computation of the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.contract import Document, Example, Ranking
from harness.errors import SubmissionError
from harness.models.code_encoder import CodeEncoder, CodeEncoderConfig
from harness.retrieval.code_encoder import (
    MARK_OF_QUERY,
    CodeEncoderSettings,
    CodeTextEncoder,
    SequenceReader,
    attention,
)
from tests.models.tiny_encoder import SPECIAL, tiny_roberta, tokenizer
from tests.models.toy_world import resources_of

CODE = "def f(a, b):\n    x = 0\n    if b > a:\n        x = b\n    return x\n"


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_roberta(tmp_path_factory.mktemp("roberta"))


def loaded(folder: Path, *, eager: bool = False) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    more = {"attn_implementation": "eager"} if eager else {}
    return AutoModel.from_pretrained(folder, **more).eval(), AutoTokenizer.from_pretrained(folder)


def settings(format: Any, **more: Any) -> CodeEncoderSettings:
    return CodeEncoderSettings(format, device="cpu", **more)


def reader(folder: Path, format: Any, **more: Any) -> SequenceReader:
    return SequenceReader(loaded(folder)[1], settings(format, **more))


def test_codebert_reads_a_text_between_its_ends(roberta: Path) -> None:
    words = loaded(roberta)[1]
    assert reader(roberta, "codebert")("ab").ids == words("ab")["input_ids"]
    cut = reader(roberta, "codebert", code_length=8, query_length=8)(MARK_OF_QUERY + "abcdefghij")
    assert (words.decode(cut.ids), cut.was_cut) == ("<s>abcdef</s>", True)


def test_unixcoder_reads_its_mode_first(roberta: Path) -> None:
    words = loaded(roberta)[1]
    assert words.decode(reader(roberta, "unixcoder")("ab").ids) == "<s><encoder-only></s>ab</s>"
    assert (
        words.decode(reader(roberta, "unixcoder", code_length=8)("abcdefghij").ids) == "<s><encoder-only></s>abcd</s>"
    )


def test_graphcodebert_reads_variables_behind_the_code(roberta: Path) -> None:
    read = reader(roberta, "graphcodebert")(CODE)
    words = loaded(roberta)[1]
    tokens = read.ids[: len(read.ids) - read.nodes]
    names = [words.decode(tokens[start:end]).strip() for start, end in read.spans]
    assert names == ["a", "b", "x", "b", "a", "x", "b", "x"]
    edges = [(name, [names[source] for source in sources]) for name, sources in zip(names, read.edges, strict=True)]
    assert edges[5:] == [("x", ["b"]), ("b", ["b"]), ("x", ["x", "x"])]
    assert words.decode(tokens[1:-1]).startswith("def f ( a , b ) : x = 0"), "docstrings and layout are gone"
    query = reader(roberta, "graphcodebert")(MARK_OF_QUERY + "x = 1")
    assert query.nodes == 0


def test_nodes_see_their_tokens_and_their_sources_only(roberta: Path) -> None:
    read = reader(roberta, "graphcodebert")(CODE)
    allowed = attention(read, len(read.ids) + 3).numpy()
    tokens = len(read.ids) - read.nodes
    node = tokens + 5  # x = b
    (start, end), (source,) = read.spans[5], read.edges[5]
    seen = set(np.flatnonzero(allowed[node]).tolist())
    assert seen == {*range(start, end), tokens + source}
    assert set(np.flatnonzero(allowed[0]).tolist()) == set(range(len(read.ids))), "the ends see all"
    assert set(np.flatnonzero(allowed[:, node]).tolist()) >= {0, tokens - 1, start}
    assert not allowed[len(read.ids) :].any(), "padding sees nothing"


def test_vectors_are_those_of_the_model(roberta: Path) -> None:
    import torch

    model, words = loaded(roberta)
    for format, begin in (("codebert", [0]), ("unixcoder", [0, SPECIAL.index("<encoder-only>"), 2])):
        found = CodeTextEncoder(roberta, settings(format)).encode(["short", MARK_OF_QUERY + "a longer one"]).vectors
        for vector, content in zip(found, ["short", "a longer one"], strict=True):
            ids = torch.tensor([[*begin, *words(content, add_special_tokens=False)["input_ids"], 2]])
            with torch.no_grad():
                output = model(input_ids=ids)
            wanted = output.pooler_output[0] if format == "codebert" else output.last_hidden_state[0].mean(0)
            assert vector == pytest.approx((wanted / wanted.norm()).numpy(), abs=1e-5)


def test_a_graph_is_encoded_as_the_paper_says(roberta: Path) -> None:
    """Node embeddings as means, positions, and the mask, put together by hand for one text without padding."""
    import torch

    model, _ = loaded(roberta, eager=True)
    read = reader(roberta, "graphcodebert")(CODE)
    ids, tokens = torch.tensor([read.ids]), len(read.ids) - read.nodes
    with torch.no_grad():
        embeddings = model.embeddings.word_embeddings(ids)
        for node, (start, end) in enumerate(read.spans):
            embeddings[0, tokens + node] = embeddings[0, start:end].mean(0)
        positions = torch.tensor([[*range(2, tokens + 2), *[0] * read.nodes]])
        bias = (~attention(read, len(read.ids))).float()[None, None] * -1e9
        wanted = model(inputs_embeds=embeddings, position_ids=positions, attention_mask=bias).pooler_output[0]
    both = CodeTextEncoder(roberta, settings("graphcodebert", normalize=False)).encode([CODE, "x = 1\n" * 12]).vectors
    assert both[0] == pytest.approx(wanted.numpy(), abs=1e-4)
    plain = CodeTextEncoder(roberta, settings("codebert", normalize=False)).encode([CODE]).vectors
    assert np.abs(both[0] - plain[0]).max() > 1e-3, "the graph matters"


def test_codet5p_maps_its_first_state(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(0)
    size = len(tokenizer(tmp_path))
    config = T5Config(vocab_size=size, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=1)
    T5EncoderModel(config).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    projection = torch.randn(4, 16)
    save_file(load_file(weights) | {"proj.weight": projection, "proj.bias": torch.ones(4)}, weights)
    vectors = CodeTextEncoder(tmp_path, settings("codet5p", normalize=False)).encode(["ab"]).vectors
    model = T5EncoderModel.from_pretrained(tmp_path).eval()
    ids = torch.tensor([reader_ids(tmp_path, "ab")])
    with torch.no_grad():
        wanted = projection @ model(input_ids=ids).last_hidden_state[0, 0] + 1
    assert vectors[0] == pytest.approx(wanted.numpy(), abs=1e-5)


def reader_ids(folder: Path, text: str) -> list[int]:
    from transformers import AutoTokenizer

    ids: list[int] = AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    return ids


def test_weights_without_their_pooler_are_refused(roberta: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in roberta.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    kept = {name: tensor for name, tensor in load_file(roberta / "model.safetensors").items() if "pooler" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    CodeTextEncoder(tmp_path, settings("unixcoder"))
    with pytest.raises(SubmissionError, match="pooler"):
        CodeTextEncoder(tmp_path, settings("codebert"))


def test_unixcoder_needs_its_token(roberta: Path) -> None:
    words = loaded(roberta)[1]
    words.get_vocab = dict
    with pytest.raises(SubmissionError, match="encoder-only"):
        SequenceReader(words, settings("unixcoder"))


@pytest.mark.parametrize("format", ["codebert", "graphcodebert", "unixcoder"])
def test_a_code_is_found_by_itself(format: Any, roberta: Path, tmp_path: Path) -> None:
    """The whole way: corpus, cache, search, and the work that is counted."""
    config = CodeEncoderConfig(model=str(roberta), format=format, device="cpu", query_length=64, code_length=64)
    codes = ["def add(a, b):\n    return a + b", "class Empty: pass", "for i in range(9): print(i)"]
    model = CodeEncoder(config, 0)
    documents = [Document(id=str(place), text=code) for place, code in enumerate(codes)]
    prepared = model.prepare(resources_of(tmp_path, documents, depth=3))
    assert prepared.facts["dimensions"] == 16
    predictions = model.predict([Example(str(place), code) for place, code in enumerate(codes)])
    for prediction in predictions:
        assert isinstance(prediction.output, Ranking)
        if format != "graphcodebert":
            assert prediction.output.ids[0] == prediction.id
            assert prediction.output.scores[0] == pytest.approx(1)
        assert [usage.stage for usage in prediction.usage] == ["encode", "search"]
    assert {stage.name for stage in model.phases().stages} == {"encode", "search"}
