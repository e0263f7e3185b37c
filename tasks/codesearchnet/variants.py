"""The same protocol with less, or more, given away: what a score owes to documentation and names in the code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """How every code is rewritten before a model sees it."""

    name: str
    """What is added to the task's name; empty for the protocol as it is."""
    strips: bool = False
    masks: bool = False
    about: str = ""

    @property
    def rewrites(self) -> bool:
        return self.strips or self.masks

    def rewrite(self, code: str, language: str) -> str:
        """The code without documentation, under a mask, or both; a language that we cannot parse stays as it is."""
        from harness.source_code.leaks import masked, without_documentation
        from harness.source_code.parsing import LANGUAGES

        if language not in LANGUAGES:
            return code
        stripped = without_documentation(code, language) if self.strips else code
        return masked(stripped, language) if self.masks else stripped


AS_IT_IS = Variant("")
WITHOUT_DOCUMENTATION = Variant(
    "no-docs", strips=True, about="docstrings (in other languages than Python: comments) taken out of the code"
)
MASKED = Variant(
    "masked", strips=True, masks=True, about="docstrings taken out of the code and its function called `Func`"
)
LEAK = Variant("with-docs", about="docstrings left in the code: the query stands in its answer")
STRIPPED = Variant("", strips=True)
"""The protocol as it is, for sets whose queries are the docstrings of their codes."""
OFFICIAL = (AS_IT_IS, WITHOUT_DOCUMENTATION, MASKED)
"""Of a protocol whose codes are used as they were published."""
FROM_DOCSTRINGS = (STRIPPED, MASKED, LEAK)
"""Of a set whose queries were cut out of the code."""
