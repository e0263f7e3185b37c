"""An estimate of a run's time and memory from small pilots of it, without touching the results.

Each pilot is the real worker on some of the documents (or training examples) and a few examples. A model that is quick
gets larger ones: among few documents nearly every word is new, so an index seems to grow faster than it does. The two
largest sizes give a line, cost = fixed + each × n, which is drawn out to the full size. Good within a factor of two or
so on a quiet machine, worse on a busy one: enough to decide between now and overnight. Memory is the same, unless the
model knows a bound on what it holds for a corpus (`held_bytes`): then it is the large pilot's, and that.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.contract import Corpus, Cost, Example, Inputs, LabelledSet, Places, Task, Workload
from harness.errors import RunFailed
from harness.executor import Limits, LocalExecutor, Worker
from harness.loading import load
from harness.loop import batch_size, concerns, setup_message
from harness.meter import high_water_bytes
from harness.submission import Submission
from harness.wire import Predict, Predicted, Prepare, PrepareDone

_SIZES = (32, 160)
_LARGER = (1280, 10240)
"""Documents of further pilots, each made if the one before it took less than `_QUICK_SECONDS`."""
_ROWS = (320, 10240)
"""In place of `_SIZES` where training examples are rows of features, which are many and read in no time."""
_QUICK_SECONDS = 1.0
"""Of the processor: by the clock a loaded machine has no quick models."""
_EXAMPLES = 8
_MORE_EXAMPLES = 512
"""In a second call, of a model that is quick: what a first call takes is mostly not for its examples."""
_PILOT_SECONDS = 120.0

Reply = TypeVar("Reply", PrepareDone, Predicted)


@dataclass(frozen=True)
class Estimate:
    """What a run would take; None where no pilot was made."""

    task: str
    where: str
    examples: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    peak_rss_bytes: int | None = None
    """Of the worker, which holds the model."""
    harness_rss_bytes: int | None = None
    """Of this process up to the end of loading the task's data: an evaluation's own part."""
    note: str = ""
    failed: bool = False

    @classmethod
    def without_pilot(cls, task: Task, places: Places, note: str, *, failed: bool = False) -> Estimate:
        return cls(task.card.name, task.status(places).where, note=note, failed=failed)


def estimate(submission: Submission, task: Task, places: Places) -> Estimate:
    """Raises `DataError` if the task cannot be loaded, `RunFailed` if the model fails in the pilot."""
    workload = load(task, places)
    harness_rss_bytes = high_water_bytes()
    full = _prepared_records(workload.inputs)
    with tempfile.TemporaryDirectory(prefix="harness-pilot-") as folder:
        trials = _trials(submission, workload, full, Path(folder))
    sizes = [trial.records for trial in trials]
    small, large = trials[0], trials[-1]
    span = max(1, sizes[-1] - sizes[0])
    batches = -(-len(workload.examples) // batch_size(submission))

    def extrapolated(first: float, last: float) -> float:
        return max(last, last + (last - first) / span * (full - sizes[-1]))

    # Ranking scans what was indexed, so its cost per example grows with the corpus.
    growth = (full - sizes[-1]) / span if workload.inputs.corpus is not None else 0.0

    def of_examples(first: float, last: float) -> float:
        each, each_before = last / max(1, large.examples), first / max(1, small.examples)
        return len(workload.examples) * (each + growth * max(0.0, each - each_before))

    peak = extrapolated(small.peak_rss_bytes, large.peak_rss_bytes)
    if held := getattr(submission.model(), "held_bytes", None):
        index_bytes = extrapolated(small.index_ram_bytes, large.index_ram_bytes)
        peak = large.peak_rss_bytes + index_bytes + held(full, workload.inputs.request.depth)
    note = f"from pilots of {' and '.join(map(str, sizes))} records and {large.examples} examples"
    return Estimate(
        task=task.card.name,
        where=task.status(places).where,
        examples=len(workload.examples),
        cpu_seconds=extrapolated(small.prepare.cpu_seconds, large.prepare.cpu_seconds)
        + of_examples(small.predict.cpu_seconds, large.predict.cpu_seconds),
        wall_seconds=extrapolated(small.prepare.wall_seconds, large.prepare.wall_seconds)
        + of_examples(small.predict.wall_seconds, large.predict.wall_seconds),
        peak_rss_bytes=int(peak),
        harness_rss_bytes=harness_rss_bytes,
        note="; ".join([note, f"{batches} {'batch' if batches == 1 else 'batches'}", *concerns(submission, workload)]),
    )


@dataclass(frozen=True)
class _Trial:
    prepare: Cost
    predict: Cost
    examples: int
    index_ram_bytes: int
    records: int

    @property
    def cpu_seconds(self) -> float:
        return self.prepare.cpu_seconds + self.predict.cpu_seconds

    @property
    def peak_rss_bytes(self) -> int:
        return max(self.prepare.peak_rss_bytes, self.predict.peak_rss_bytes)


def _trials(submission: Submission, workload: Workload, full: int, folder: Path) -> list[_Trial]:
    """The two largest pilots that were made, or the one of a set that is no larger than it."""
    inputs = workload.inputs
    if inputs.corpus is not None and full > _LARGER[-1]:  # a large corpus is read once for all pilots
        sample = _first_documents(inputs.corpus, _LARGER[-1], folder / "sample.jsonl")
        workload = replace(workload, inputs=msgspec.structs.replace(inputs, corpus=sample))
    sizes = sorted({min(size, full) for size in (_ROWS if inputs.request.columns else _SIZES)})
    trials = [_trial(submission, workload, size, folder / str(size)) for size in sizes]
    for size in _LARGER if inputs.corpus is not None else ():
        if trials[-1].records == full or trials[-1].cpu_seconds > _QUICK_SECONDS:
            break
        trials.append(_trial(submission, workload, min(size, full), folder / str(size)))
    return trials[-2:]


def _trial(submission: Submission, workload: Workload, size: int, folder: Path) -> _Trial:
    folder.mkdir()
    examples = _few(workload.examples, _EXAMPLES)
    # A cache of its own: a pilot neither profits from earlier work nor leaves any behind.
    places = Places(data=folder, cache=folder / "cache")
    reduced = Workload(
        inputs=_reduced(workload.inputs, size, folder),
        examples=workload.examples,
        scorer=workload.scorer,
        digest=workload.digest,
    )
    worker = LocalExecutor().start(Limits(seconds=_PILOT_SECONDS))
    try:
        worker.send(setup_message(submission, reduced, places, folder, seed=0))
        worker.send(Prepare())
        prepared = _until(worker, PrepareDone)
        predicted = _predicted(worker, examples)
        more = _few(workload.examples, min(_MORE_EXAMPLES, batch_size(submission)))
        if predicted.cost.cpu_seconds < _QUICK_SECONDS and len(more) > len(examples):
            examples, predicted = more, _predicted(worker, more)
    finally:
        worker.stop()
    return _Trial(prepared.cost, predicted.cost, len(examples), prepared.prepared.index_ram_bytes or 0, size)


def _predicted(worker: Worker, examples: Sequence[Example]) -> Predicted:
    worker.send(Predict([msgspec.structs.replace(example, groups={}) for example in examples]))
    return _until(worker, Predicted)


def _until(worker: Worker, wanted: type[Reply]) -> Reply:
    while True:
        message = worker.receive(_PILOT_SECONDS)
        if isinstance(message, wanted):
            return message
        if message is None:
            raise RunFailed(f"the pilot took over {_PILOT_SECONDS:g} s")


def _prepared_records(inputs: Inputs) -> int:
    """Records that `prepare` goes through: documents, else training examples."""
    source = inputs.corpus or inputs.train
    return len(source) if source else 0


def _few(examples: Sequence[Example], most: int) -> list[Example]:
    step = max(1, len(examples) // most)
    return list(examples[::step][:most])


def _reduced(inputs: Inputs, size: int, folder: Path) -> Inputs:
    return msgspec.structs.replace(
        inputs,
        corpus=inputs.corpus and _first_documents(inputs.corpus, size, folder / "corpus.jsonl"),
        train=inputs.train and _first_labelled(inputs.train, size, folder / "train"),
        validation=inputs.validation and _first_labelled(inputs.validation, size, folder / "validation"),
    )


def _first_documents(corpus: Corpus, size: int, path: Path) -> Corpus:
    step = max(1, len(corpus) // size)
    documents = list(itertools.islice(itertools.islice(corpus, 0, None, step), size))
    path.write_bytes(b"".join(msgspec.json.encode(document) + b"\n" for document in documents))
    return Corpus(path=str(path), count=len(documents), digest=f"pilot-{size}-{corpus.digest}")


def _first_labelled(labelled: LabelledSet, size: int, path: Path) -> LabelledSet:
    return LabelledSet.write(path, itertools.islice(labelled, size))
