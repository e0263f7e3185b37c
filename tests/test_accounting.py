"""What a model tells of its work is kept as far as it can be, and never costs the run its predictions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from harness.accounting import account, observe
from harness.contract import Example, Usage
from harness.efficiency.search_work import flat_scan
from harness.efficiency.work import Stage, Work, tallied
from harness.errors import InputError

EXAMPLES = [Example("q1", "one"), Example("q2", "two")]
WORK = Work((Stage("search", once=flat_scan(10, 4)),), tallied([Usage("search")]))


class Describes:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def phases(self) -> Work:
        return WORK

    def again(self, examples: Sequence[Example]) -> list[Any]:
        self.asked.append([example.id for example in examples])
        deadline = time.process_time() + 0.002
        while time.process_time() < deadline:
            pass
        return []


def test_counted_and_timed_one_example_at_a_time() -> None:
    model = Describes()
    found = account(model, EXAMPLES, from_cache=False)
    assert found.work == WORK
    assert found.observed is not None
    assert len(found.observed.seconds) == 10
    assert min(found.observed.seconds) >= 0.002, "of one example"
    assert (found.observed.examples, found.observed.clock, found.note) == (2, "process CPU", "")
    assert all(len(asked) == 1 for asked in model.asked)


def test_answers_from_a_cache_are_not_timed() -> None:
    model = Describes()
    found = account(model, EXAMPLES, from_cache=True)
    assert (found.work, found.observed, model.asked) == (WORK, None, [])


def test_a_model_that_offers_neither_is_no_fault() -> None:
    found = account(object(), EXAMPLES, from_cache=False)
    assert (found.work, found.observed, found.note) == (None, None, "")


def test_a_kind_says_in_words_what_it_cannot_count() -> None:
    class MadeElsewhere:
        uncounted = "the answers were made elsewhere"

    class Indexes(Describes):
        def phases(self) -> Work:
            return Work(WORK.stages, WORK.preparing, "the graph of the index")

    assert account(MadeElsewhere(), EXAMPLES, from_cache=False).note.endswith("the answers were made elsewhere")
    found = account(Indexes(), EXAMPLES, from_cache=True)
    assert (found.work is not None, found.note) == (True, "of its preparing is not counted: the graph of the index")


def test_what_goes_wrong_is_a_note() -> None:
    class Broken(Describes):
        def phases(self) -> Work:
            raise InputError("the operation 'mystery' has no formula")

        def again(self, examples: Sequence[Example]) -> list[Any]:
            raise ZeroDivisionError("by nothing")

    found = account(Broken(), EXAMPLES, from_cache=False)
    assert (found.work, found.observed) == (None, None)
    assert "'mystery' has no formula" in found.note
    assert "ZeroDivisionError: by nothing" in found.note


def test_phases_of_another_kind_are_refused() -> None:
    class Wrong:
        def phases(self) -> float:
            return 0.5

    found = account(Wrong(), EXAMPLES, from_cache=False)
    assert found.work is None
    assert "returned a float" in found.note


def test_a_slow_model_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.accounting._BUDGET_SECONDS", 0.0)
    assert len(observe(Describes().again, EXAMPLES).seconds) == 1


def test_of_slow_examples_only_as_many_are_timed_as_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def again(examples: Sequence[Example]) -> None:
        asked.extend(example.id for example in examples)
        time.sleep(0.02)

    monkeypatch.setattr("harness.accounting._BUDGET_SECONDS", 0.3)
    found = observe(again, [*EXAMPLES, *EXAMPLES, *EXAMPLES, *EXAMPLES])
    assert found.examples < 8, "five repeats of all would take 0.8 seconds"
    assert len(asked) == 16 + found.examples * len(found.seconds), "waiting is no reason for more rounds"


class Finds:
    def __init__(self, found: Any) -> None:
        self._found = found

    def findings(self) -> Any:
        return self._found


def test_what_was_found_out_is_kept() -> None:
    found = account(Finds({"search_recall_at_10": 0.5, "queries": 3, "index": "graph"}), EXAMPLES, from_cache=True)
    assert found.findings == {"search_recall_at_10": 0.5, "queries": 3, "index": "graph"}
    assert found.note == ""


@pytest.mark.parametrize(
    ("wrong", "kept", "note"),
    [
        ([1, 2], {}, "something else than numbers and text"),
        ({"recall": [0.5]}, {}, "something else than numbers and text"),
        ({"recall": float("nan"), "queries": 3}, {"queries": 3}, "'recall' as nan"),
    ],
)
def test_findings_that_cannot_be_shown_are_a_note(wrong: Any, kept: dict[str, Any], note: str) -> None:
    found = account(Finds(wrong), EXAMPLES, from_cache=True)
    assert found.findings == kept
    assert note in found.note
