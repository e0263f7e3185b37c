"""Reading what runs did, counted: the stages of their ledgers and how often each ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec
from sqlalchemy import select

from harness.efficiency.work import Stage, Tally
from harness.store.database import Database
from harness.store.payload import unpacked_bytes
from harness.store.schema import LedgerRow, RunRow, WorkRow

_NAMES_PER_QUERY = 1000

_stages = msgspec.msgpack.Decoder(tuple[Stage, ...])
_tallies = msgspec.msgpack.Decoder(tuple[Tally, ...])


@dataclass(frozen=True)
class RunWork:
    """The counted work of a finished run."""

    ledger_digest: str
    stages: tuple[Stage, ...]
    served: tuple[Tally, ...]
    preparing: tuple[Tally, ...]


def works(database: Database, runs: Sequence[str]) -> dict[str, RunWork]:
    """The work of those of the runs (by key) that are done and whose model describes its stages."""
    query = (
        select(RunRow.key, WorkRow.ledger_digest, WorkRow.served, WorkRow.preparing)
        .join(RunRow, RunRow.id == WorkRow.run_id)
        .where(WorkRow.ledger_digest.is_not(None), WorkRow.served.is_not(None))
    )
    ledgers = select(LedgerRow.digest, LedgerRow.payload)
    with database.reading() as session:
        rows = [row for some in _pieces(runs) for row in session.execute(query.where(RunRow.key.in_(some)))]
        packed = [
            row
            for some in _pieces(list({row.ledger_digest for row in rows}))
            for row in session.execute(ledgers.where(LedgerRow.digest.in_(some)))
        ]
    stages = {digest: _stages.decode(unpacked_bytes(payload)) for digest, payload in packed}
    unpacked = cache(_unpacked)  # runs over the same data often use the same
    return {
        key: RunWork(digest, stages[digest], unpacked(served), unpacked(preparing))
        for key, digest, served, preparing in rows
        if digest is not None and served is not None
    }


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """SQLite may refuse more than 32,766 values in a statement."""
    return (names[first : first + _NAMES_PER_QUERY] for first in range(0, len(names), _NAMES_PER_QUERY))


def _unpacked(payload: bytes) -> tuple[Tally, ...]:
    return _tallies.decode(unpacked_bytes(payload))
