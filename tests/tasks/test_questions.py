"""A file of questions is a task, and several samples of an answer are scored without bias."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.contract import Classes, Failure, Places, Prediction, Texts, Workload
from harness.errors import DataError, InvalidPrediction
from tasks.questions import FAMILY
from tasks.questions.scorer import normalised
from tests.models.tiny_lm import save_tiny_lm


def line(id: str, answers: list[str], **fields: Any) -> dict[str, Any]:
    return {"id": id, "prompt": f"{id}?", "answers": answers, **fields}


def loaded(tmp_path: Path, *lines: Any) -> Workload:
    path = tmp_path / "asked.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
    return FAMILY.open(path).load(Places(tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("56.", "56"),
        (" **Paris**\n", "paris"),
        ("“New  York”", "new york"),
        ("-5", "-5"),
        ("５％", "5%"),
        ("C#", "c#"),
        ("…", ""),
        ("56 or 54", "56 or 54"),
    ],
)
def test_an_answer_is_compared_without_case_blanks_and_marks(said: str, same: str) -> None:
    assert normalised(said) == same


def test_samples_are_scored_by_pass_at_k_any_and_a_vote(tmp_path: Path) -> None:
    workload = loaded(tmp_path, *(line(id, ["a", "b"], samples=5) for id in ("most", "few", "short", "none")))
    given = {"most": ["a", "B", "a", "c", "c."], "few": ["c", "c", "a", "d", "e"], "short": ["b"]}
    predictions = {id: Prediction(id, Texts(texts)) for id, texts in given.items()}
    predictions["none"] = Prediction("none", Failure("refused"))
    columns = {n: c.tolist() for n, c in workload.scorer.columns(list(predictions), predictions).items()}
    assert columns["exact_match"] == pytest.approx([3 / 5, 1 / 5, 1 / 5, 0])
    assert columns["pass@2"] == pytest.approx([1 - 1 / 10, 1 - 6 / 10, 1 - 6 / 10, 0])
    assert columns["pass@5"] == columns["any_of_5"] == [1, 1, 1, 0]
    assert columns["vote"] == [1, 0, 1, 0], "a tie goes to what was said first"
    assert [metric.name for metric in workload.scorer.metrics] == [*columns]
    assert workload.inputs.request.samples == 5
    assert (workload.lines[0].value, workload.lines[0].kind) == (1, "floor")


def test_one_answer_has_one_score(tmp_path: Path) -> None:
    workload = loaded(tmp_path, line("q1", ["a"]), line("q2", ["b"], system="Be brief.", max_output_tokens=9))
    assert [metric.name for metric in workload.scorer.metrics] == ["exact_match"]
    assert workload.inputs.request.max_output_tokens == 256
    assert workload.lines[0].value == 0.5
    for output in (Classes("a"), Texts([]), Texts(["a", "b"])):
        with pytest.raises(InvalidPrediction, match="'q1'"):
            workload.scorer.check(Prediction("q1", output))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no questions"),
        (["{"], "line 1"),
        ([{"id": "q", "prompt": "?"}], "answers"),
        ([line("q", ["a"], sample=3)], "sample"),
        ([line("q", ["a"]), line("q", ["b"])], "'q': the id stands twice"),
        ([line("q", ["…"])], "no answer is accepted"),
        ([line("q", ["a"], samples=2), line("r", ["a"])], "'r': 1 samples; the first question asks for 2"),
        ([line("q", ["a"], samples=0)], "0 samples"),
        ([line("q", ["a"], max_output_tokens=0)], "max_output_tokens is 0"),
    ],
)
def test_files_that_are_no_questions(lines: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        loaded(tmp_path, *lines)


def test_a_model_draws_the_samples_and_the_row_has_the_scores(command: Callable[..., Any], tmp_path: Path) -> None:
    save_tiny_lm(tmp_path / "tiny")
    asked = [line("q1", ["56"], samples=2, max_output_tokens=4), line("q2", ["81"], samples=2, max_output_tokens=4)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, asked)))
    (tmp_path / "tiny.yaml").write_text("name: tiny\nmodel:\n  kind: causal_lm\n  model: ./tiny\n  temperature: 1.0\n")
    ended = command("eval", "tiny.yaml", "--task", "questions:sums.jsonl", "--json")
    assert ended.code == 0, ended.err
    scores = {score["metric"]: score["value"] for score in json.loads(ended.out)[0]["results"]}
    assert scores == {"exact_match": 0, "pass@2": 0, "any_of_2": 0, "vote": 0}
