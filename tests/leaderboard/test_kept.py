"""What is kept is read anew when a run begins or ends, and not for the heartbeats of runs under way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update

from harness.store import open_database
from harness.store.schema import RunRow, SubmissionRow, now
from leaderboard import kept
from tests.leaderboard.conftest import GOOD


def test_a_heartbeat_changes_nothing_and_a_run_does(filler: Any) -> None:
    filler.run("good", GOOD)
    database = open_database(str(filler.path), create=False)
    first, tasks = kept.revision(database), kept.tasks(database)
    with database.writing() as session:
        session.execute(update(RunRow).values(heartbeat=now()))
    assert kept.revision(database) == first
    assert kept.tasks(database) is tasks
    seen = {first}
    for ended in ("done", "failed", "killed"):
        filler.run(ended, GOOD, state=ended)
        seen.add(kept.revision(database))
    with database.writing() as session:
        session.execute(update(SubmissionRow).values(floor=True))  # which its file says now: the run stays as it is
    seen.add(kept.revision(database))
    assert len(seen) == 5
    assert kept.tasks(database)[0]["done"] == 2
    database.close()


def test_readers_at_the_same_time_wait_for_one(filler: Any) -> None:
    made, begun, go_on = [], Event(), Event()

    def make() -> str:
        begun.set()
        go_on.wait(10)
        made.append(1)
        return "once"

    key = str(filler.path)
    with ThreadPoolExecutor(3) as readers:
        asked = [readers.submit(kept.once, key, make)]
        assert begun.wait(10)
        asked += [readers.submit(kept.once, key, make) for _ in range(2)]
        go_on.set()
        assert [one.result(10) for one in asked] == ["once"] * 3
    assert len(made) == 1


def test_an_error_is_not_kept(filler: Any) -> None:
    def fail() -> str:
        raise OSError("no luck")

    key = str(filler.path)
    with pytest.raises(OSError, match="no luck"):
        kept.once(key, fail)
    assert kept.once(key, lambda: "luck") == "luck"
