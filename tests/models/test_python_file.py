"""A stranger's own model file: pleasant when right, explained when wrong."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.contract import Classes, Corpus, Example, Inputs, Prediction, Prepared, Ranking, Request, Resources, Texts
from harness.errors import InvalidPrediction, SubmissionError
from harness.models.python_file import PythonFile, PythonFileConfig

TERM_OVERLAP = '''
"""Ranks documents by how many words they share with the query."""
import re


class TermOverlap:
    def __init__(self, shortest=3):
        self.shortest = shortest

    def prepare(self, resources):
        self.depth = resources.request.depth
        self.documents = {d.id: self.words(f"{d.title} {d.text}") for d in resources.corpus}

    def predict(self, examples):
        return [self.rank(self.words(example.input)) for example in examples]

    def rank(self, query):
        shared = {id: len(query & words) for id, words in self.documents.items()}
        best = sorted(shared, key=shared.get, reverse=True)[: self.depth]
        return [(id, shared[id]) for id in best]

    def words(self, text):
        return {word for word in re.findall(r"\\w+", text.lower()) if len(word) >= self.shortest}
'''


def resources(folder: Path, *, labels: tuple[str, ...] = ()) -> Resources:
    path = folder / "corpus.jsonl"
    path.write_text('{"_id": "cats", "text": "cats sleep"}\n{"_id": "dogs", "title": "Dogs", "text": "dogs bark"}\n')
    inputs = Inputs(Request(depth=2, labels=labels), Corpus(str(path), 2, ""))
    return Resources(inputs, ["1", "2"], folder, folder)


def config(folder: Path, code: str, name: str = "Mine", **options: Any) -> PythonFileConfig:
    (folder / "model.py").write_text(code)
    written = {"path": f"model.py:{name}", "offers": ["ranking"]} | options
    return PythonFileConfig.model_validate(written, context={"folder": folder})


def prepared(folder: Path, code: str, name: str = "Mine", labels: tuple[str, ...] = (), **options: Any) -> PythonFile:
    model = PythonFile(config(folder, code, name, **options), seed=7)
    model.prepare(resources(folder, labels=labels))
    return model


def answering(folder: Path, expression: str, labels: tuple[str, ...] = ()) -> list[Prediction]:
    """What becomes of a `predict` that returns the expression."""
    code = (
        "from harness.contract import *\n"
        "class Mine:\n"
        "    def prepare(self, resources): pass\n"
        f"    def predict(self, examples): return {expression}\n"
    )
    return prepared(folder, code, labels=labels).predict([Example("1", "one"), Example("2", "two")])


def refused(folder: Path, code: str, name: str = "Mine", **options: Any) -> str:
    with pytest.raises(SubmissionError) as refusal:
        prepared(folder, code, name, **options)
    return f"{refusal.value.message} {refusal.value.hint}"


def test_a_model_of_twenty_lines_ranks_documents(tmp_path: Path) -> None:
    model = prepared(tmp_path, TERM_OVERLAP, "TermOverlap", options={"shortest": 4})
    found = model.predict([Example("1", "Do dogs bark?"), Example("2", "Cats")])
    assert found == [
        Prediction("1", Ranking(["dogs", "cats"], [2.0, 0.0])),
        Prediction("2", Ranking(["cats", "dogs"], [1.0, 0.0])),
    ]


@pytest.mark.parametrize(
    ("expression", "labels", "expected"),
    [
        ("['yes' for _ in examples]", ("yes", "no"), Classes("yes")),
        ("['yes' for _ in examples]", (), Texts(["yes"])),
        ("(Texts(['a', 'b']) for _ in examples)", (), Texts(["a", "b"])),
        ("[Classes('no', {'no': 1.0})] * 2", ("yes", "no"), Classes("no", {"no": 1.0})),
        ("[Ranking(['cats'], [1.0])] * 2", (), Ranking(["cats"], [1.0])),
        ("[[['cats', 1]]] * 2", (), Ranking(["cats"], [1.0])),
        ("[[], []]", (), Ranking([], [])),
        ("[Prediction(e.id, Texts(['x'])) for e in examples]", (), Texts(["x"])),
    ],
)
def test_answers_may_be_plain(tmp_path: Path, expression: str, labels: tuple[str, ...], expected: object) -> None:
    assert answering(tmp_path, expression, labels) == [Prediction(id, expected) for id in ("1", "2")]


def test_scores_of_numpy_become_numbers(tmp_path: Path) -> None:
    expression = "[list(zip(['cats'], __import__('numpy').ones(1, 'float32')))] * 2"
    output = answering(tmp_path, expression)[0].output
    assert isinstance(output, Ranking)
    assert [type(score) for score in output.scores] == [float]


def test_predictions_may_leave_examples_out(tmp_path: Path) -> None:
    assert [p.id for p in answering(tmp_path, "[Prediction('2', Texts(['x']))]")] == ["2"]


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("None", "predict returned a NoneType"),
        ("'yes'", "predict returned a str"),
        ("{'1': 'yes'}", "predict returned a dict"),
        ("['yes']", "predict returned 1 answers to 2 examples"),
        ("['yes', 3]", "example '2' with an object of type int"),
        ("['yes', None]", "example '2' with an object of type NoneType"),
        ("['yes', [('cats', 'high')]]", "example '2' with a list that is not of pairs"),
        ("['yes', ['c1', 'd2']]", "example '2' with a list that is not of pairs"),
        ("['yes', [(17, 1.0)]]", "example '2' with a list that is not of pairs: a document id must be"),
        ("['yes', [('cats', 1.0, 2)]]", "example '2' with a list that is not of pairs"),
    ],
)
def test_what_is_not_an_answer_is_named(tmp_path: Path, expression: str, complaint: str) -> None:
    with pytest.raises(InvalidPrediction) as refusal:
        answering(tmp_path, expression)
    assert complaint in refusal.value.message
    assert refusal.value.hint


def test_making_the_model_runs_none_of_its_code(tmp_path: Path) -> None:
    PythonFile(config(tmp_path, "raise SystemExit('I ran')"), seed=0)


def test_the_seed_goes_to_a_class_that_asks_for_it(tmp_path: Path) -> None:
    code = (
        "class Mine:\n"
        "    def __init__(self, seed): self.seed = seed\n"
        "    def prepare(self, resources): pass\n"
        "    def predict(self, examples): return [str(self.seed) for _ in examples]\n"
    )
    assert prepared(tmp_path, code).predict([Example("1", "")])[0].output == Texts(["7"])
    chosen = prepared(tmp_path, code, options={"seed": 3})
    assert chosen.predict([Example("1", "")])[0].output == Texts(["3"])


def test_a_neighbouring_module_can_be_imported_and_the_path_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_model.py").write_text("WORD = 'hello'\n")
    before = list(sys.path)
    code = (
        "from neighbour_of_model import WORD\n"
        "class Mine:\n"
        "    def prepare(self, resources): pass\n"
        "    def predict(self, examples): return [WORD for _ in examples]\n"
    )
    assert prepared(tmp_path, code).predict([Example("1", "")])[0].output == Texts(["hello"])
    assert sys.path == before


def test_what_prepare_reports_is_kept(tmp_path: Path) -> None:
    code = (
        "from harness.contract import Prepared\n"
        "class Mine:\n"
        "    def prepare(self, resources): return Prepared(facts={'words': 3})\n"
        "    def predict(self, examples): return []\n"
    )
    assert PythonFile(config(tmp_path, code), seed=0).prepare(resources(tmp_path)) == Prepared(facts={"words": 3})
    wrong = code.replace("Prepared(facts={'words': 3})", "self")
    assert "Mine.prepare returned a Mine" in refused(tmp_path, wrong)


def test_an_edited_file_is_compiled_anew_even_within_the_clocks_resolution(tmp_path: Path) -> None:
    code = "class Mine:\n    def prepare(self, r): pass\n    def predict(self, e): return ['one'] * len(e)\n"
    prepared(tmp_path, code)
    again = prepared(tmp_path, code.replace("one", "two"))
    assert again.predict([Example("1", "")])[0].output == Texts(["two"])
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import no_such_module_here", "line 1 failed: ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("x = 1\ny = x / 0\n", "line 2 failed: ZeroDivisionError"),
        ("class Mine:\n  def f(self:\n", "line 2 failed: SyntaxError"),
        ("raise SystemExit(3)", "line 1 failed: SystemExit: 3"),
        ("class Mein: pass", "has no class 'Mine' Did you mean 'Mein'?"),
        ("Mine = 3", "has no class 'Mine' Its classes are: none."),
        ("class Mine:\n  def prepare(self, r): pass", "needs a method `def predict(self, examples)`: there is none"),
        ("class Mine:\n  def predict(self, e): pass", "needs a method `def prepare(self, resources)`: there is none"),
        ("class Mine:\n  def prepare(self): pass", "needs a method `def prepare(self, resources)`: too many"),
        ("class Mine:\n  prepare = 3", "needs a method `def prepare(self, resources)`: 3 is not a callable"),
        ("class Mine:\n  def __init__(self, k): pass", "the options do not fit Mine(k): missing a required argument"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(tmp_path: Path, code: str, complaint: str) -> None:
    assert complaint in refused(tmp_path, code)


def test_an_option_that_the_class_does_not_know_is_named(tmp_path: Path) -> None:
    said = refused(tmp_path, TERM_OVERLAP, "TermOverlap", options={"longest": 9})
    assert "the options do not fit TermOverlap(shortest=3): got an unexpected keyword argument 'longest'" in said


@pytest.mark.parametrize("path", ["model.py", "model:Mine", "model.py:", "model.py:3D", "model.py:A.B", "a:b.py:C"])
def test_the_path_must_name_a_file_and_a_class(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValidationError, match=r"expected FILE\.py:Class"):
        PythonFileConfig.model_validate({"path": path, "offers": ["ranking"]}, context={"folder": tmp_path})


def test_offers_are_needed_and_known() -> None:
    for offers in ([], ["rankings"]):
        with pytest.raises(ValidationError, match="offers"):
            PythonFileConfig.model_validate({"path": "model.py:Mine", "offers": offers})


def test_the_digest_is_of_the_file_and_the_class(tmp_path: Path) -> None:
    mine = config(tmp_path, "class Mine: pass")
    assert mine.artifacts() == {"Mine": hashlib.sha256(b"class Mine: pass").hexdigest()}
    mine.file.unlink()
    with pytest.raises(SubmissionError, match=r"cannot read .*model\.py: No such file"):
        mine.artifacts()
