"""The common evaluation loop: prepare → predict → score, for one submission on one task.

The loop lives in the parent process. It owns the labels and the database; the model answers from a worker. Every
batch is on disk before the next one is asked, so that running the same command again resumes.
"""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from harness.contract import Example, Failure, Metric, Places, Prediction, Ranking, Task, Workload
from harness.efficiency.work import tallied
from harness.errors import HarnessError, InputError, RunFailed, StoreError
from harness.executor import Executor, Limits, Worker
from harness.interrupt import Interrupt, Interrupted
from harness.metrics.bootstrap import intervals
from harness.metrics.hubness import HUBNESS, hubness
from harness.plain import brief
from harness.provenance import code_version, environment
from harness.store.claims import claim
from harness.store.database import Database
from harness.store.recorder import Recorder, RunIsBusy, StoredScore
from harness.submission import Submission
from harness.wire import Account, Accounted, Advanced, Message, Predict, Predicted, Prepare, PrepareDone, Setup

if TYPE_CHECKING:
    from harness.contract import FloatArray

_HEARTBEAT_SECONDS = 5.0
_ACCOUNT_SECONDS = 120.0
_TIMED_EXAMPLES = 8
_TITLES_PER_RANKING = 10


class Reporter(Protocol):
    """Who is told how a run goes."""

    def progress(self, phase: str, done: int, total: int, unit: str) -> None: ...


@dataclass(frozen=True)
class Settings:
    """What the user chose for a run."""

    seed: int = 0
    limit: int = 0
    """The first so many examples; 0 for all."""
    rerun: bool = False
    """Make a new run even if the same one is done."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    submission: str
    task: str
    state: Literal["done", "unchanged", "failed", "interrupted"]
    run: str = ""
    reason: str = ""
    next_step: str = ""
    log: str = ""
    exit_code: int = 0

    @classmethod
    def failed(
        cls, submission: Submission, task: Task, error: HarnessError, *, run: str = "", log: str = ""
    ) -> Outcome:
        """The outcome that an error makes, in as many words as fit a row."""
        return cls(
            submission.name,
            task.card.name,
            "interrupted" if isinstance(error, Interrupted) else "failed",
            run,
            brief(error.message),
            brief(error.hint).replace("harness log RUN", f"harness log {run}"),
            "" if isinstance(error, Interrupted) else log,
            error.exit_code,
        )


def evaluate(
    submission: Submission,
    task: Task,
    workload: Workload,
    *,
    database: Database,
    executor: Executor,
    places: Places,
    settings: Settings,
    reporter: Reporter,
) -> Outcome:
    """Run a submission on a task that is loaded, or resume it, or find it done.

    A failure of the pair is an outcome. Raises `StoreError` if nothing can be stored.
    """
    try:
        claimed = claim(
            database,
            submission,
            task.card,
            workload,
            seed=settings.seed,
            limit=settings.limit,
            rerun=settings.rerun,
            provenance=(code_version(), environment()),
        )
    except RunIsBusy as error:
        return Outcome.failed(submission, task, error)
    recorder = claimed.recorder
    if claimed.done:
        return Outcome(submission.name, task.card.name, "unchanged", run=recorder.key)
    run = _Run(submission, workload, recorder, places, settings, reporter)
    log = ""
    try:
        with Interrupt() as interrupt:
            log = run.predict(executor, interrupt)
            run.score()
    except StoreError as error:
        with suppress(StoreError):  # where the store is what failed, the error says all there is to say
            recorder.stop("failed", error.message, error.hint)
        raise
    except HarnessError as error:
        outcome = Outcome.failed(submission, task, error, run=recorder.key, log=run.log)
        recorder.stop(outcome.state, outcome.reason, outcome.next_step)
        return outcome
    except Exception as error:
        recorder.stop("failed", f"internal error: {type(error).__name__}: {error}", "Please report it.")
        raise
    shutil.rmtree(run.scratch, ignore_errors=True)
    return Outcome(submission.name, task.card.name, "done", run=recorder.key, log=log)


class _Run:
    """The work of one claimed run."""

    def __init__(
        self,
        submission: Submission,
        workload: Workload,
        recorder: Recorder,
        places: Places,
        settings: Settings,
        reporter: Reporter,
    ) -> None:
        self._submission, self._workload, self._recorder = submission, workload, recorder
        self._places, self._settings, self._report = places, settings, reporter.progress
        self._examples = workload.examples[: settings.limit or None]
        self.scratch = places.cache / "runs" / recorder.key
        self.log = ""

    # --- prepare and predict ----------------------------------------------------------------------------------------

    def predict(self, executor: Executor, interrupt: Interrupt) -> str:
        """Have the missing predictions made and stored; returns the worker's log."""
        stored = self._recorder.stored()
        if stored >= len(self._examples):
            return ""
        self._recorder.start_attempt(code_version(), environment())
        worker = executor.start(self._settings.limits)
        state, reason = "failed", ""
        try:
            self._prepare(worker)
            with interrupt.deferred():
                self._predict_from(stored, worker, interrupt)
                self._account(worker)
            state = "done"
        except HarnessError as error:
            reason = brief(error.message)
            state = "interrupted" if isinstance(error, Interrupted) else "failed"
            raise
        finally:
            worker.stop()
            self.log = worker.log
            self._recorder.end_attempt(state, self.log, reason)
        return self.log

    def _prepare(self, worker: Worker) -> None:
        _make_folder(self.scratch)
        worker.send(
            setup_message(
                self._submission,
                self._workload,
                self._places,
                self.scratch,
                self._settings.seed,
            )
        )
        worker.send(Prepare())
        self._report("prepare", 0, 0, "")
        reply = self._reply(worker)
        if not isinstance(reply, PrepareDone):
            raise RunFailed(f"the worker sent {type(reply).__name__} instead of the end of prepare")
        _check_facts(reply.prepared.facts)
        _check_curves(reply.prepared.curves)
        self._recorder.prepared(reply.prepared, reply.cost)

    def _predict_from(self, first: int, worker: Worker, interrupt: Interrupt) -> None:
        total, size = len(self._examples), batch_size(self._submission)
        self._report("predict", first, total, "examples")
        while first < total:
            if interrupt.asked:
                raise Interrupted()
            batch = self._examples[first : first + size]
            worker.send(Predict([msgspec.structs.replace(example, groups={}) for example in batch]))
            reply = self._reply(worker)
            if not isinstance(reply, Predicted):
                raise RunFailed(f"the worker sent {type(reply).__name__} instead of predictions")
            self._recorder.add_block(first, self._complete(batch, reply.predictions), reply.cost)
            first += len(batch)
            self._report("predict", first, total, "examples")

    def _account(self, worker: Worker) -> None:
        """Have the work counted and timed. All predictions are stored, so a failure here is a note, not the run's."""
        few = self._examples[:: max(1, len(self._examples) // _TIMED_EXAMPLES)][:_TIMED_EXAMPLES]
        self._report("measure", 0, 0, "")
        worker.send(Account([msgspec.structs.replace(example, groups={}) for example in few]))
        try:
            reply = self._reply(worker, give_up_after=_ACCOUNT_SECONDS)
        except RunFailed as error:
            reply = Accounted(note=f"the worker ended while its work was counted: {brief(error.message)}")
        if reply is None:
            reply = Accounted(note=f"counting and timing the work took over {_ACCOUNT_SECONDS:g} s")
        if not isinstance(reply, Accounted):
            raise RunFailed(f"the worker sent {type(reply).__name__} instead of an account of its work")
        self._recorder.account(reply.work, reply.observed, reply.note, reply.findings)

    def _reply(self, worker: Worker, give_up_after: float = math.inf) -> Message | None:
        """The worker's next answer, None if it is late; keeps the lease alive and passes progress on meanwhile."""
        begun = beaten = time.monotonic()
        while time.monotonic() - begun < give_up_after:
            message = worker.receive(_HEARTBEAT_SECONDS)
            if isinstance(message, Advanced):
                self._report("prepare", message.done, message.total, message.unit)
            elif message is not None:
                return message
            if time.monotonic() - beaten >= _HEARTBEAT_SECONDS:
                self._recorder.beat()
                beaten = time.monotonic()
        return None

    def _complete(self, batch: Sequence[Example], predictions: Sequence[Prediction]) -> list[Prediction]:
        """The batch's predictions, checked, with those that the model left out marked as unanswered."""
        answered = {prediction.id: prediction for prediction in predictions}
        for prediction in predictions:
            self._workload.scorer.check(prediction)
        return [answered.get(e.id) or Prediction(e.id, Failure("unanswered")) for e in batch]

    # --- score ------------------------------------------------------------------------------------------------------

    def score(self) -> None:
        """Score all stored predictions and finish the run."""
        self._report("score", 0, len(self._examples), "examples")
        predictions = self._recorder.predictions()
        ids = [example.id for example in self._examples]
        scorer = self._workload.scorer
        columns = scorer.columns(ids, predictions)
        answered = sum(not isinstance(p.output, Failure) for p in predictions.values())
        self._recorder.finish(
            _scores(scorer.metrics, columns, len(ids)),
            columns,
            coverage=answered / len(ids) if ids else 0.0,
            titles=self._titles(predictions),
            served=tallied(usage for prediction in predictions.values() for usage in prediction.usage),
            facts=self._facts(predictions),
            observes_cost=self._submission.observes_cost,
        )
        self._report("score", len(ids), len(ids), "examples")

    def _facts(self, predictions: Mapping[str, Prediction]) -> dict[str, float]:
        """What all answers together show, beside the scores."""
        corpus = self._workload.inputs.corpus
        rankings = [p.output for p in predictions.values() if isinstance(p.output, Ranking)]
        found = hubness(rankings, len(corpus)) if corpus and rankings else None
        return {} if found is None else {HUBNESS: found}

    def _titles(self, predictions: Mapping[str, Prediction]) -> Mapping[str, str]:
        """Titles of what was ranked high and of what should have been."""
        wanted: set[str] = set()
        for id, prediction in predictions.items():
            gold = self._workload.scorer.gold(id)
            if isinstance(prediction.output, Ranking) and isinstance(gold, Mapping):
                wanted |= {*prediction.output.ids[:_TITLES_PER_RANKING], *itertools.islice(gold, _TITLES_PER_RANKING)}
        find = self._workload.document_titles
        return find(wanted) if find and wanted else {}


def _check_facts(facts: Mapping[str, str | int | float]) -> None:
    """A database column holds neither NaN nor integers of any size."""
    for name, value in facts.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise RunFailed(f"prepare reported {name!r} as {value}", hint="Report finite numbers, or leave it out.")


def _check_curves(curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for name, points in curves.items():
        if not all(math.isfinite(number) for point in points for number in point):
            raise RunFailed(
                f"prepare reported a curve {name!r} that is not finite", hint="Leave out what is not finite."
            )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {path}: {error.strerror}",
            hint="Set HARNESS_CACHE to a folder that you can write to.",
        ) from error


def setup_message(
    submission: Submission,
    workload: Workload,
    places: Places,
    scratch: Path,
    seed: int,
) -> Setup:
    """All that a worker is told: the submission and the inputs, never the labels."""
    return Setup(
        kind=submission.kind,
        config=submission.config_json,
        folder=str(submission.folder),
        inputs=workload.inputs,
        example_ids=[example.id for example in workload.examples],
        scratch=str(scratch),
        cache=str(places.cache),
        seed=seed,
    )


def batch_size(submission: Submission) -> int:
    """Examples per predict call: the file's choice, else the kind's."""
    return submission.model().batch_size


def concerns(submission: Submission, workload: Workload) -> list[str]:
    """What the model says of the task's request before it runs, where it says anything."""
    ask = getattr(submission.model(), "concerns", None)
    return list(ask(workload.inputs.request)) if ask else []


def _scores(metrics: Sequence[Metric], columns: Mapping[str, FloatArray], n: int) -> list[StoredScore]:
    found = intervals(metrics, columns, n)
    return [
        StoredScore(m.name, i.value, i.low, i.high, n, m.higher_is_better, m.description)
        for m in metrics
        for i in [found[m.name]]
    ]
