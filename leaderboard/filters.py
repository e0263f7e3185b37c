"""Filters over the rows of a page: words, kind, licence, how far verified, size and date; kept in the address.

Ranks stay those among all rows. A row that does not say what is filtered by is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from leaderboard import text
from leaderboard.reported import Reported
from leaderboard.rows import Entry

_KEYS = ("q", "kind", "licence", "verified", "size", "since")
VERIFIED = ("recomputed", "rescored", "self-reported", "published")


@dataclass(frozen=True)
class Filters:
    """What a row has to be like; empty for anything."""

    words: str = ""
    kinds: Sequence[str] = ()
    licences: Sequence[str] = ()
    verified: Sequence[str] = ()
    millions: float = 0.0
    """Most parameters, in millions; 0 for any number."""
    since: date | None = None

    def keeps(self, entry: Entry) -> bool:
        """Whether a run, or an average of runs, is shown."""
        return (
            self._has_words(entry.label, entry.kind, entry.settings, *entry.marks)
            and (not self.kinds or entry.kind in self.kinds)
            and (not self.licences or entry.licence in self.licences)
            and (not self.verified or entry.verification in self.verified)
            and (not self.millions or (entry.parameters is not None and entry.parameters <= 1e6 * self.millions))
            and (self.since is None or entry.created.date() >= self.since)
        )

    def keeps_reported(self, other: Reported) -> bool:
        """Whether scores that were made elsewhere are shown: nothing is known of their kind, licence, size and date."""
        of_runs = self.kinds or self.licences or self.millions or self.since
        return (
            not of_runs
            and self._has_words(other.label, other.source, other.note)
            and (not self.verified or other.verification in self.verified)
        )

    def _has_words(self, *texts: str) -> bool:
        among = " ".join(texts).casefold()
        return all(word in among for word in self.words.casefold().split())


def choose(found: Iterable[Entry]) -> Filters:
    """A button that opens the filters and counts those that are set."""
    entries = list(found)
    active = sum(bool(st.session_state.get(key, st.query_params.get(key))) for key in _KEYS)
    with st.popover(f"Filters ({active})" if active else "Filters", icon=":material/filter_list:"):
        words = st.text_input("Words in name, kind, settings or marks", key="q", bind="query-params", type="search")
        kinds = _several("Kind of model", "kind", {entry.kind for entry in entries})
        licences = _several("Licence", "licence", {entry.licence for entry in entries if entry.licence})
        verified = _several("Verified", "verified", VERIFIED)
        millions = st.number_input("Most parameters, in millions", min_value=0.0, key="size", bind="query-params")
        since = st.date_input("Run since", None, key="since", bind="query-params")
        text.note("A row that does not say is left out; ranks stay those among all rows.")
    return Filters(words or "", kinds, licences, verified, millions or 0.0, since if isinstance(since, date) else None)


def _several(label: str, key: str, options: Iterable[str]) -> list[Any]:
    """The chosen ones of few options; an option that only the address knows is offered as well."""
    asked = st.session_state.get(key) or st.query_params.get_all(key)
    chosen: list[Any] = st.multiselect(label, sorted({*options, *asked}), key=key, bind="query-params")
    return chosen
