"""Scores made elsewhere: shown without being loaded, loaded once, replaced by their own table only, never half."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InputError, StoreError
from harness.reference.published import ReportedScore, Table, tables
from harness.store import Database, open_database, reports

BEIR = tables()["beir"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(str(tmp_path / "results.db"), create=True)
    yield opened
    opened.close()


def sent(
    metric: str = "nDCG@10", value: float = 0.7, model: str = "mine", task: str = "beir/scifact", digest: str = "d" * 64
) -> ReportedScore:
    return ReportedScore(
        task, model, metric, value, 2, "r.json", note="BEIR", kind="", verification="self-reported", digest=digest
    )


def changed(table: Table, value: float) -> Table:
    first, *others = table.scores
    return Table(table.name, "e" * 64, (dataclasses.replace(first, value=value), *others[:50]))


def test_a_fresh_database_shows_the_tables_that_ship(database: Database) -> None:
    assert reports.reported(database) == [score for table in tables().values() for score in table.scores]
    assert {score.model for score in reports.reported(database, "beir/scifact")} >= {"bm25-flat", "all-MiniLM-L6-v2"}


def test_loaded_scores_are_those_of_the_tables(database: Database) -> None:
    before = reports.reported(database)
    assert set(reports.load(database, tables().values()).values()) == {"loaded"}
    assert reports.reported(database) == before
    assert reports.reported(database, "beir/scifact") == [s for s in BEIR.scores if s.task == "beir/scifact"]


def test_loading_again_changes_nothing(database: Database) -> None:
    reports.load(database, tables().values())
    before = reports.reported(database)
    assert set(reports.load(database, tables().values()).values()) == {"unchanged"}
    assert reports.reported(database) == before


def test_a_changed_table_replaces_its_own_scores_only(database: Database) -> None:
    reports.load(database, tables().values())
    reports.add(database, "r.json", [sent()], replace=False)
    others = [score for score in reports.reported(database) if score not in BEIR.scores]
    new = changed(BEIR, 0.1234)
    assert reports.load(database, [new, tables()["nids"]]) == {"beir": "replaced", "nids": "unchanged"}
    now = reports.reported(database)
    assert [score for score in now if score.task.startswith("beir/") and score.kind] == list(new.scores)
    assert [score for score in now if score not in new.scores] == others


def test_what_was_sent_is_shown_beside_what_was_published(database: Database) -> None:
    scores = [sent(), sent("AP", 0.6)]
    reports.add(database, "r.json", scores, replace=False)
    assert reports.reported(database, "beir/scifact")[-2:] == scores
    assert reports.reported(database, "beir/nfcorpus")[-1].verification == "published"
    assert reports.self_reported_tasks(database) == ["beir/scifact"]


@pytest.mark.parametrize(
    "again",
    [
        sent(),
        sent(model="another name"),  # the same file cannot be of two models
        sent(value=0.8, digest="f" * 64),  # and one model has one score on a task
    ],
)
def test_a_second_import_is_refused_or_takes_the_place_of_the_first(database: Database, again: ReportedScore) -> None:
    reports.add(database, "r.json", [sent(), sent("AP", 0.6)], replace=False)
    before = reports.reported(database)
    with pytest.raises(InputError, match=r"r.json was imported already as 'mine' on beir/scifact") as refusal:
        reports.add(database, "r2.json", [again], replace=False)
    assert "--replace" in refusal.value.hint
    assert reports.reported(database) == before
    reports.add(database, "r2.json", [again], replace=True)
    assert [s for s in reports.reported(database) if s.verification == "self-reported"] == [again]


def test_other_models_and_tasks_stand_beside_each_other(database: Database) -> None:
    three = [sent(), sent(model="other", digest="1" * 64), sent(task="beir/nfcorpus", digest="2" * 64)]
    for score in three:
        reports.add(database, "r.json", [score], replace=True)
    assert sorted([s for s in reports.reported(database) if s.kind == ""], key=str) == sorted(three, key=str)


def test_a_failure_in_between_leaves_nothing(database: Database) -> None:
    with pytest.raises(StoreError):
        reports.add(database, "r.json", [sent(), sent("AP", task=None)], replace=False)  # type: ignore[arg-type]
    assert not reports.self_reported_tasks(database)
    assert reports.reported(database) == [score for table in tables().values() for score in table.scores]
