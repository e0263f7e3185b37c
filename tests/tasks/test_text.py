"""Bits per byte: a text is cut without loss, and a law of bytes gives the same bits whatever is written around it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import registry
from harness.contract import Failure, LogLikelihood, Places, Prediction
from harness.errors import DataError, InvalidPrediction
from tasks.text.passages import passages
from tasks.text.task import TextFileTask, workload
from tests.models.tiny_lm import save_tiny_lm


@given(st.text(max_size=300), st.integers(4, 40))
def test_passages_are_the_text_and_keep_to_their_size(text: str, most: int) -> None:
    pieces = list(passages(text, most))
    assert "".join(pieces) == text
    assert all(0 < len(piece.encode()) <= most for piece in pieces)


def test_passages_end_with_lines_where_they_can() -> None:
    assert list(passages("one two\nthree four five six", 10)) == ["one two\n", "three ", "four five ", "six"]


def test_bits_are_counted_over_bytes_and_the_unanswered_costs_eight(places: Places) -> None:
    asked = workload(["ab", "é"])
    found = {
        "p000000": Prediction("p000000", LogLikelihood(2 * math.log(0.5), 2)),
        "p000001": Prediction("p000001", Failure("over_limit")),
    }
    columns = asked.scorer.columns(["p000000", "p000001"], found)
    assert columns["bits"].tolist() == pytest.approx([2, 16])
    assert columns["bytes"].tolist() == [2, 2]
    for bad in (LogLikelihood(-1.0, 3), LogLikelihood(1.0, 2), LogLikelihood(math.nan, 2), LogLikelihood(-math.inf, 2)):
        with pytest.raises(InvalidPrediction):
            asked.scorer.check(Prediction("p000000", bad))


def test_floors_are_found_from_the_text() -> None:
    floor, rung = workload(["abababab" * 100]).lines
    assert (floor.value, floor.kind) == (pytest.approx(1), "floor")
    assert rung.value < 1 and rung.kind == "rung"


def test_the_embedded_text_is_there(places: Places) -> None:
    loaded = registry.task("text/bits-per-byte").load(places)
    assert len(loaded.examples) == 40
    assert 3 < loaded.lines[0].value < 6


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"caf\xe9", "not UTF-8: byte 3"), (None, "there is no file")]
)
def test_files_that_are_no_text(content: bytes | None, message: str, tmp_path: Path, places: Places) -> None:
    path = tmp_path / "some.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        TextFileTask.open(path).load(places)


def test_a_model_reads_a_file_by_tokens_and_by_bytes(command: Callable[..., Any], tmp_path: Path) -> None:
    save_tiny_lm(tmp_path / "tiny")
    text = "".join(f"line {n}, key {n * n}: the value {n}\n" for n in range(60))
    (tmp_path / "some.txt").write_text(text)
    found = {}
    for name, exact in (("canonical", "false"), ("exact", "true")):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nmodel:\n  kind: causal_lm\n  model: ./tiny\n  exact_bytes: {exact}\n"
        )
        ended = command("eval", f"{name}.yaml", "--task", "text:some.txt", "--json")
        assert ended.code == 0, ended.err
        (found[name],) = json.loads(ended.out)[0]["results"]
    assert found["exact"]["value"] <= found["canonical"]["value"] + 1e-6
    assert found["exact"]["bound_seconds"] > 0


def test_a_text_that_spells_a_marker_is_read_as_a_text(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from harness.generation.decoding import Decoder
    from harness.generation.likelihood import TextLikelihood
    from harness.generation.weights import Weights

    folder = save_tiny_lm(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = Weights.find(str(folder)).model("float32")
    likelihood = TextLikelihood(Decoder(model, pad_id=0, stop_ids=[0]), tokenizer, exact=True)
    spelt = likelihood.encode("key <|end|> 4")
    assert not set(spelt) & set(tokenizer.all_special_ids) and tokenizer.decode(spelt) == "key <|end|> 4"
    found = likelihood.of(spelt, "key <|end|> 4")
    assert found.exact_nats is not None and found.exact_nats >= found.canonical_nats - 1e-6
