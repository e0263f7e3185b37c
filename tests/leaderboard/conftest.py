"""A real results database, filled through the store as the loop fills it, and the app on top of it."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from harness.contract import (
    Cost,
    Example,
    Failure,
    Inputs,
    Line,
    Output,
    Prediction,
    Prepared,
    Ranking,
    TaskCard,
    Usage,
    Workload,
)
from harness.efficiency.search_work import flat_scan, vector
from harness.efficiency.work import Observed, Stage, Work, tallied
from harness.metrics.ranking import DESCRIPTIONS, RankingScorer
from harness.provenance import code_version, environment
from harness.store import open_database
from harness.store.claims import claim
from harness.store.recorder import Recorder, StoredScore
from harness.store.schema import RunRow
from harness.submission import load
from leaderboard import app
from tests.leaderboard.serving import chromium, tab_of

APP = Path(app.__file__)
GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
CARD = TaskCard(
    name="beir/tiny",
    family="beir",
    protocol="beir-1",
    primary_metric="nDCG@10",
    needs=frozenset({"ranking"}),
    description="Three documents.",
)
QRELS = {"q1": {"d1": 1, "d3": 0, "lost": 2}, "q2": {"d1": 1}}


@dataclasses.dataclass
class Filler:
    """Stores runs in a database as the loop does."""

    path: Path
    questions: dict[str, str] = dataclasses.field(default_factory=lambda: {"q1": "what is first?", "q2": "and second?"})
    titles: dict[str, str] = dataclasses.field(default_factory=lambda: {"d1": "The first document"})
    card: TaskCard = CARD
    data: str = "a" * 64
    model: dict[str, Any] = dataclasses.field(default_factory=lambda: {"kind": "random"})
    version: str = ""
    """Another one is another file under the same name."""
    lines: Sequence[Line] = ()
    audit: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)

    def run(
        self,
        name: str,
        answer: Output = GOOD,
        *,
        state: str = "done",
        limit: int = 0,
        seed: int = 0,
        cpu_seconds: float = 1.0,
        cached: bool = False,
        runs_code: bool = False,
        log: str = "",
        rerun: bool = False,
        observes_cost: bool = True,
        half_width: float = 0.05,
        scanned: int = 0,
        by_faiss: bool = False,
        repeats: Sequence[float] = (),
        floor: bool = False,
        curves: dict[str, list[tuple[float, float]]] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> str:
        """One run; returns its key. `state` failed or killed leaves it without scores.

        `scanned` vectors of 384 numbers were searched for each example, which took these seconds when it was timed.
        """
        recorder = self._claim(name, limit, seed, rerun, runs_code=runs_code, observes_cost=observes_cost, floor=floor)
        ids = list(self.questions)[: limit or None]
        cost = Cost(cpu_seconds=cpu_seconds, wall_seconds=cpu_seconds, peak_rss_bytes=50_000_000, cached=cached)
        recorder.start_attempt("test", {})
        recorder.prepared(Prepared(2_000_000, 0, facts or {}, curves or {}), cost)
        if state == "killed":
            return recorder.key
        predictions = [Prediction(id, answer) for id in ids]
        recorder.add_block(0, predictions, cost)
        if scanned:
            scan = Stage("search", once=flat_scan(scanned, 384), index_bytes=1536 * scanned)
            work = Work((Stage("search", device="host", once=vector(scanned)) if by_faiss else scan,))
            recorder.account(work, Observed(tuple(repeats), 2, "process CPU") if repeats else None, "")
        recorder.end_attempt("done" if state == "done" else "failed", log)
        if state == "failed":
            recorder.stop("failed", "it ran out of memory", "Give it more memory.")
            return recorder.key
        scorer = RankingScorer(QRELS, {"d1", "d2", "d3"})
        columns = scorer.columns(ids, {prediction.id: prediction for prediction in predictions})
        means = {metric.name: float(np.mean(columns[metric.name])) for metric in scorer.metrics}
        scores = [
            StoredScore(name, mean, mean - half_width, mean + half_width, len(ids), True, DESCRIPTIONS[name])
            for name, mean in means.items()
        ]
        coverage = 0.0 if isinstance(answer, Failure) else 1.0
        served = tallied(Usage("search") for _ in ids) if scanned else ()
        recorder.finish(scores, columns, coverage, self.titles, served, observes_cost=observes_cost)
        return recorder.key

    def release(self) -> None:
        """As if the process that works on unfinished runs had died."""
        with open_database(str(self.path), create=False).writing() as session:
            session.execute(update(RunRow).values(owner=""))

    def _claim(self, name: str, limit: int, seed: int, rerun: bool, **said: bool) -> Recorder:
        file = self.path.with_suffix(".yaml")
        file.write_text("name: x\nmodel: {kind: random}\n")
        submission = dataclasses.replace(
            load(file),
            name=name,
            digest=hashlib.sha256(f"{name}{self.version}".encode()).hexdigest(),
            kind=self.model["kind"],
            normalised={"name": name, "model": self.model},
            **said,
        )
        workload = Workload(
            inputs=Inputs(),
            examples=[Example(id, text) for id, text in self.questions.items()],
            scorer=RankingScorer(QRELS, {"d1", "d2", "d3"}),
            digest=self.data,
            facts={"documents": 3, "dangling_judgements": 1},
            lines=self.lines,
            audit=self.audit,
        )
        provenance = (code_version(), environment())
        database = open_database(str(self.path), create=True)
        claimed = claim(
            database, submission, self.card, workload, seed=seed, limit=limit, rerun=rerun, provenance=provenance
        )
        return claimed.recorder


@pytest.fixture
def filler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Filler:
    """Fills the database that the app will show."""
    path = tmp_path / "results.db"
    monkeypatch.setenv("HARNESS_DB", str(path))
    return Filler(path)


@pytest.fixture
def tab() -> Iterator[Any]:
    """A tab of a real Chromium."""
    with chromium() as browser:
        yield tab_of(browser)


@dataclasses.dataclass
class Page:
    """A page as the app made it."""

    app: AppTest

    @property
    def text(self) -> str:
        """The words outside tables, charts and code, as a reader sees them."""
        markup = [element.proto.body for element in self.app.get("html")]
        parts = [html.unescape(re.sub(r"<[^>]+>", " ", body)) for body in markup]
        return "\n".join(parts + [element.value for element in self.app.text])

    @property
    def tables(self) -> list[str]:
        return [element.proto.alt for element in self.app.dataframe]

    def table(self, alt: str) -> Any:
        """The table whose alternative text begins so."""
        return next(element.value for element in self.app.dataframe if element.proto.alt.startswith(alt))

    @property
    def chart(self) -> str:
        """The alternative text of the chart."""
        return str(self.app.get("vega_lite_chart")[0].proto.alt)


@pytest.fixture
def page(filler: Filler) -> Callable[..., Page]:
    """Opens the board, or the page of a run, at an address with these parameters."""

    def open_page(*, file: str = "board.py", **parameters: str) -> Page:
        opened = AppTest.from_file(str(APP), default_timeout=120)  # a busy machine is no failure
        if file not in ("board.py", "frontier_page.py"):
            opened.run()  # only a page whose address is its file's name is known before
        if file != "frontier_page.py":  # where one lands
            opened.switch_page(file)
        for name, value in parameters.items():
            opened.query_params[name] = value
        opened.run()
        assert not opened.exception, opened.exception
        return Page(opened)

    return open_page
