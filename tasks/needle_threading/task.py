"""A needle task: one kind of question at one size, made when it is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

from harness.contract import DataStatus, Example, Inputs, Places, Prompt, Request, TaskCard, Workload
from harness.digest import combined_digest
from tasks.needle_threading import questions, short_cuts
from tasks.needle_threading.haystack import BYTES_PER_PAIR
from tasks.needle_threading.questions import Asked, Question
from tasks.needle_threading.scorer import HaystackText, NeedleScorer
from tasks.needle_threading.sizes import BY_DEFAULT, token_label

PROTOCOL = "needle-1"
CITATION = (
    "Roberts, Han, Albanie (2025): Needle Threading: Can LLMs Follow Threads through Near-Million-Scale Haystacks? "
    "ICLR 2025, arXiv:2411.05000"
)
URL = "https://needle-threading.github.io"
_LEAST_TOKENS = 120
_TOKENS_PER_PAIR = 80
"""A wasteful tokenizer takes 73 tokens for a key and its value (SmolLM2); a model may name both at every hop."""


@dataclass(frozen=True)
class Kind:
    """A kind of question: its name, the questions at a size, and a sentence."""

    name: str
    ask: Callable[[int], Iterator[Asked]]
    about: str


KINDS = (
    Kind("single", questions.single, "Give the value of a key"),
    Kind("multiple", questions.multiple, "Give the values of several keys"),
    Kind("conditional", questions.conditional, "Give the values of all keys that hold a marker"),
    Kind("threads", questions.threads, "Follow a thread from key to value, which is a key again, to its end"),
    Kind("multi-threads", questions.multi_threads, "Follow several threads at once"),
    Kind("branched", questions.branched, "Follow a thread that divides, to all its ends"),
)


@dataclass(frozen=True)
class NeedleTask:
    """A kind of question over haystacks of so many pairs."""

    kind: Kind
    pairs: int

    @property
    def card(self) -> TaskCard:
        label = token_label(self.pairs)
        tokens = f", about {label} tokens of LLaMA 3.1" if label else ""
        return TaskCard(
            name=f"needle/{self.kind.name}/{self.pairs}",
            family="needle",
            protocol=PROTOCOL,
            primary_metric="accuracy",
            needs=frozenset({"texts"}),
            description=(
                f"{self.kind.about}, in a JSON object of {self.pairs:,} pairs of UUIDs "
                f"({self.pairs * BYTES_PER_PAIR:,} bytes{tokens})."
            ),
            generated=True,
            on_request=self.kind.name != "single" or self.pairs not in BY_DEFAULT,
            licence="Apache-2.0",
            citation=CITATION,
            url=URL,
        )

    def status(self, places: Places) -> DataStatus:
        return DataStatus("embedded", "made from seeds when it is loaded")

    def load(self, places: Places) -> Workload:
        """Draw the haystacks and ask the questions."""
        return workload(self.kind.ask(self.pairs), PROTOCOL, {"pairs": self.pairs})


def workload(asked: Iterable[Asked], protocol: str, facts: dict[str, int | float | str]) -> Workload:
    """A workload of questions over haystacks, one haystack after the other.

    A question that was asked before of the same haystack is left out and counted. Prompts are the haystack, a line
    break and the question, so that those of one haystack share all but their end.
    """
    examples: list[Example] = []
    gold: dict[str, tuple[Question, HaystackText]] = {}
    content = hashlib.sha256()
    found_without_a_model: list[tuple[float, ...]] = []
    longest, largest, haystacks, repeated = 0, 0, 0, 0
    for text, its_questions in asked:
        its_new = []
        haystack = HaystackText(text, hashlib.sha256(text.encode()).hexdigest())
        haystacks, largest = haystacks + 1, max(largest, len(text))
        for question in its_questions:
            # Made from what the model sees anyway, so that the id tells nothing.
            id = "q" + hashlib.sha256(f"{haystack.sha256}\n{question.text}".encode()).hexdigest()[:12]
            if id in gold:
                repeated += 1
                continue
            groups = question.groups | {"haystack": haystack.sha256[:12]}
            examples.append(Example(id, Prompt(f"{text}\n{question.text}"), groups=groups))
            gold[id] = question, haystack
            its_new.append(question)
            content.update(json.dumps([haystack.sha256, asdict(question)]).encode() + b"\n")
            longest = max(longest, len({value for path in question.paths for value in path}))
        found_without_a_model += short_cuts.shares(short_cuts.pairs_of(text), its_new)
    budget = max(_LEAST_TOKENS, _TOKENS_PER_PAIR * longest)
    return Workload(
        inputs=Inputs(request=Request(max_output_tokens=budget)),
        examples=examples,
        scorer=NeedleScorer(gold, budget),
        digest=combined_digest(protocol=protocol, budget=str(budget), questions=content.hexdigest()),
        facts=facts
        | {"bytes": largest, "haystacks": haystacks, "questions": len(examples)}
        | ({"repeated_questions": repeated} if repeated else {}),
        lines=[
            *short_cuts.lines(found_without_a_model),
            short_cuts.ceiling([question for question, _ in gold.values()]),
        ],
    )
