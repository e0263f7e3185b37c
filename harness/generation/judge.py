"""How likely texts are to a language model, as answers to examples, and what all of them show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.answer_notes import AnswerNotes
from harness.contract import Example, Failure, LogLikelihood, Prediction, Prompt, Usage
from harness.generation.likelihood import Likelihood, TextLikelihood, bits_per_byte


class _Judged(msgspec.Struct, frozen=True):
    byte_count: int
    found: Likelihood


class Judge:
    """Reads each text from the start of a document; its notes of a run are kept in the scratch folder."""

    def __init__(self, likelihood: TextLikelihood, *, limit: int | None, scratch: Path, stage: str) -> None:
        self._likelihood, self._limit, self._stage = likelihood, limit, stage
        self._notes = AnswerNotes(scratch, _Judged)

    def predictions(self, examples: Sequence[Example]) -> list[Prediction]:
        """The logarithm of each text's probability; a text with more tokens than positions is over the limit."""
        return [self._prediction(example) for example in examples]

    def findings(self) -> dict[str, float]:
        """Where bytes were asked for: their bits, those of the canonical tokens, and what these lie above them."""
        judged = self._notes.all().values()
        count = sum(one.byte_count for one in judged)
        exact_nats = [one.found.exact_nats for one in judged if one.found.exact_nats is not None]
        if not exact_nats:
            return {}
        canonical = bits_per_byte(sum(one.found.canonical_nats for one in judged), count)
        exact = bits_per_byte(sum(exact_nats), count)
        return {
            "canonical_bits_per_byte": canonical,
            "exact_bits_per_byte": exact,
            "tokenization_gap_bits_per_byte": canonical - exact,
        }

    def _prediction(self, example: Example) -> Prediction:
        text = example.input.text if isinstance(example.input, Prompt) else str(example.input)
        tokens = self._likelihood.encode(text)
        if self._limit is not None and len(tokens) >= self._limit:
            return Prediction(example.id, Failure("over_limit", f"{len(tokens):,} tokens of {self._limit:,}"))
        found = self._likelihood.of(tokens, text)
        count = len(text.encode())
        self._notes.add({example.id: _Judged(count, found)})
        nats = found.canonical_nats if found.exact_nats is None else found.exact_nats
        usage = Usage(self._stage, prompt_tokens=found.computed_tokens)
        return Prediction(example.id, LogLikelihood(min(0.0, nats), count), (usage,))
