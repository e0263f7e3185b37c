"""Static embeddings: the real wordllama table, against the package's own vectors."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.contract import Corpus, Cost, Document, Example, Inputs, Ranking, Request, Resources
from harness.errors import SubmissionError
from harness.models.static import Static, StaticConfig

pytestmark = pytest.mark.skipif(find_spec("wordllama") is None, reason="needs pip install 'equal-footing[models]'")

TEXTS = ["The cell is the basic unit of life.", "Stars shine.", "naïve café", "x"]


def test_vectors_are_those_of_wordllama() -> None:
    import wordllama

    peer = wordllama.WordLlama.load(dim=256, disable_download=True, cache_dir=Path(wordllama.__file__).parent)
    embedded = Static(StaticConfig(), 0).load()(TEXTS, [].append)
    np.testing.assert_allclose(embedded.vectors, peer.embed(TEXTS, norm=True), atol=1e-6)
    assert embedded.work.tokens == [sum(encoding.attention_mask) for encoding in peer.tokenize(TEXTS)]


def test_a_text_without_tokens_is_a_zero_vector() -> None:
    assert not Static(StaticConfig(), 0).load()([""], [].append).vectors.any()


def test_it_ranks_by_meaning_and_reads_a_second_run_from_the_cache(tmp_path: Path) -> None:
    documents = [
        Document(id="biology", title="Cells", text="The cell is the basic unit of life."),
        Document(id="astronomy", text="A star is a ball of plasma held together by gravity."),
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(document) for document in documents))
    inputs = Inputs(Request(depth=2), Corpus(str(path), 2, "digest"))
    charged: list[Cost] = []
    resources = Resources(inputs, ["q"], tmp_path / "scratch", tmp_path / "cache", charge=charged.append)
    answers = []
    for _ in range(2):
        model = Static(StaticConfig(), 0)
        prepared = model.prepare(resources)
        answers.append(model.predict([Example("q", "which planets orbit stars")]))
    assert answers[0] == answers[1]
    assert len(charged) == 2, "the documents and the query of the second run"
    assert prepared.facts["dimensions"] == 256
    output = answers[0][0].output
    assert isinstance(output, Ranking)
    assert output.ids == ["astronomy", "biology"]
    assert [usage.stage for usage in answers[0][0].usage] == ["encode", "search"]


@pytest.mark.parametrize("settings", [{}, {"search": "hnsw"}])
def test_candidates_are_ranked_as_in_the_whole_corpus_and_priced_by_their_number(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    path, ids = tmp_path / "corpus.jsonl", [f"d{number}" for number in range(3000)]
    texts = [f"star {number % 700} of galaxy {number % 9}" for number in range(3000)]
    documents = [Document(id=id, text=text) for id, text in zip(ids, texts, strict=True)]
    path.write_bytes(b"\n".join(msgspec.json.encode(document) for document in documents))
    inputs = Inputs(Request(depth=3000), Corpus(str(path), 3000, "digest"))
    resources = Resources(inputs, ["q"], tmp_path / "scratch", tmp_path / "cache")
    exact, model = Static(StaticConfig(), 0), Static(StaticConfig(**settings), 0)
    exact.prepare(resources)
    model.prepare(resources)
    candidates = ("d2999", "d7", "d707", "nowhere", "d1024", "d7")
    named = Example("r", "galaxy 7", candidates=candidates)
    asked = [Example("q", "galaxy 7"), named, Example("s", "x", candidates=())]
    (everywhere,) = exact.predict(asked[:1])
    _, among, none = model.predict(asked)
    assert isinstance(everywhere.output, Ranking)
    scores = dict(zip(everywhere.output.ids, everywhere.output.scores, strict=True))
    expected = [id for id in everywhere.output.ids if id in candidates]
    assert among.output == Ranking(expected, [scores[id] for id in expected])
    assert none.output == Ranking([], [])
    assert (among.usage[1].stage, among.usage[1].documents) == ("score candidates", 4)
    assert "score candidates" in [stage.name for stage in model.phases().stages]


def test_a_table_that_is_not_shipped_names_those_that_are() -> None:
    with pytest.raises(SubmissionError, match="no table l2_supercat_64") as caught:
        StaticConfig(dim=64).artifacts()
    assert "l2_supercat_256" in caught.value.hint


def test_the_shipped_submission_is_valid() -> None:
    import yaml

    file = Path(__file__).resolve().parents[2] / "submissions" / "static.yaml"
    model = yaml.safe_load(file.read_text())["model"]
    assert model.pop("kind") == Static.kind
    assert len(StaticConfig.model_validate(model).artifacts()) == 2
