"""Reading what runs did, counted: the stages of their ledgers and how often each ran."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select

from harness.efficiency.work import Stage, Tally
from harness.store.database import Database
from harness.store.schema import LedgerRow, RunRow, WorkRow

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
        .where(RunRow.key.in_(runs), WorkRow.ledger_digest.is_not(None), WorkRow.served.is_not(None))
    )
    with database.reading() as session:
        rows = session.execute(query).all()
        digests = {row.ledger_digest for row in rows}
        ledgers = session.execute(select(LedgerRow.digest, LedgerRow.payload).where(LedgerRow.digest.in_(digests)))
        stages = {digest: _stages.decode(zlib.decompress(payload)) for digest, payload in ledgers}
    return {
        key: RunWork(digest, stages[digest], _unpacked(served), _unpacked(preparing))
        for key, digest, served, preparing in rows
        if digest is not None and served is not None
    }


def _unpacked(payload: bytes) -> tuple[Tally, ...]:
    return _tallies.decode(zlib.decompress(payload))
