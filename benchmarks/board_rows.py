"""A results database of generated rows for `board.py`: as many results as a busy board has, in the shapes of real ones.

The law. Each of the six families has as many submissions as the others, and each of them runs on every task of its
family, with seed 0, 1, … until there are enough runs; one run is one result. A submission has an ability a ~ N(0, 1), a
task a difficulty d ~ N(0, 1); the expected score of a pair is 1 / (1 + exp(-(0.9 a - 0.8 d + e))) with e ~ N(0, 0.3²).
An example of a graded metric scores 0 for two in ten, else Beta(4 p, 4 (1 - p)); other metrics count Bernoulli(p).
Intervals are ± 1.96 standard errors. A model has between 10⁷ and 10⁹·⁵ parameters, more with more ability; its counted
work is that of a BERT or Llama of about that size, of an inverted index, or of trees, over as many different lengths of
input as real runs have. CPU seconds are log-normal; memory is the weights and a bit. The latest run of each pair has
the columns of its first metric; other columns, and predictions, are left out (but see `add_long_run`). Every task is
marked as generated, and every submission's name says so.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from sqlalchemy import insert, select

from harness import registry
from harness.contract import Classes, Prediction, Task
from harness.efficiency.gpt_shapes import Shape, decode, encode, prefill
from harness.efficiency.search_work import candidate, flat_scan, graph_node, posting
from harness.efficiency.work import Stage, Tally, Work
from harness.store import Database
from harness.store.payload import pack, pack_floats, sha256
from harness.store.schema import (
    AttemptRow,
    Base,
    BlockRow,
    CostRow,
    ExampleBlockRow,
    LedgerRow,
    RunRow,
    ScoreColumnRow,
    ScoreRow,
    SubmissionRow,
    TaskRow,
    WorkRow,
    now,
)

FAMILIES = ("beir", "codesearchnet", "flowlearn", "lra", "needle", "nids")
LONG_RUN = "b0a4d0000001"
"""The key of the run with very many examples."""
_GRADED = ("nDCG", "RR", "AP", "R@")
_BLOCK = 1000
_OBSERVED = {"observed_n": 10, "observed_examples": 8, "observed_clock": "process CPU", "note": ""}


@dataclass(frozen=True)
class _Model:
    id: int
    family: str
    kind: str
    ability: float
    shape: Shape


@dataclass(frozen=True)
class _Given:
    """A task, as the rows need it."""

    id: int
    card: Any
    metrics: Mapping[str, tuple[str, ...]]
    """Of each metric the columns that it looks at."""
    difficulty: float
    examples: int
    documents: int
    lengths: tuple[int, ...]


def fill(database: Database, results: int, submissions: int, *, only_task: str = "") -> None:
    """So many runs of so many submissions; all on one task if `only_task` names it."""
    random = np.random.Generator(np.random.PCG64(0))
    tasks = [task for task in registry.tasks() if task.card.family in FAMILIES]
    if only_task:
        tasks = [task for task in tasks if task.card.name == only_task]
    families = list(dict.fromkeys(task.card.family for task in tasks))
    metrics = _suite_metrics()
    given = [_given(place, task, metrics, random) for place, task in enumerate(tasks, start=1)]
    models = [_model(place, families, random) for place in range(1, submissions + 1)]
    with database.writing() as session:
        session.execute(insert(SubmissionRow), [_submission(model) for model in models])
        session.execute(insert(TaskRow), [_task(task) for task in given])
        session.execute(insert(ExampleBlockRow), [block for task in given for block in _previews(task)])
        for rows in _batches(_rows(models, given, results, random)):
            for table, several in rows.items():
                session.execute(insert(table), several)


def add_long_run(database: Database, examples: int) -> str:
    """A run over so many flows, with its predictions; returns its key."""
    random = np.random.Generator(np.random.PCG64(1))
    card = next(task.card for task in registry.tasks() if task.card.name == "nids/simulated")
    ids = {"id": 1_000_000}
    model = _Model(1_000_000, "nids", "trees", 1.0, _shape(7.0, "bert"))
    attack = random.random(examples) < 0.1
    score = np.round(random.beta(2, 8, examples) + 0.5 * attack, 4)
    right = (score > 0.5) == attack
    task = _Given(1_000_000, card, {"balanced_accuracy": ()}, 0.0, examples, 0, ())
    with database.writing() as session:
        session.execute(insert(SubmissionRow), [_submission(model)])
        session.execute(insert(TaskRow), [_task(task) | {"name": "nids/generated-flows"}])
        run = _run(1_000_000, model, task, 0) | {"key": LONG_RUN}
        session.execute(insert(RunRow), [run])
        session.execute(insert(AttemptRow), [ids | _attempt(run)])
        value = float(right.mean())
        session.execute(insert(ScoreRow), [_score(1_000_000, 0, card.primary_metric, value, 0.001, examples)])
        session.execute(insert(CostRow), _costs(1_000_000, 60.0))
        columns = {"attack": attack.astype(float), "right": right.astype(float), "score": score}
        packed = [{"run_id": 1_000_000, "name": name, "payload": pack_floats(c)} for name, c in columns.items()]
        session.execute(insert(ScoreColumnRow), packed)
        for first in range(0, examples, _BLOCK):
            session.execute(insert(ExampleBlockRow), [_flows(first, attack[first : first + _BLOCK])])
            session.execute(insert(BlockRow), [_answers(first, score[first : first + _BLOCK])])
    return LONG_RUN


def add_finished_run(database: Database, task: str, name: str) -> None:
    """Another submission's run over a whole task, as if it had just ended."""
    with database.writing() as session:
        row = session.scalars(select(TaskRow).where(TaskRow.name == task)).one()
        digest = hashlib.sha256(name.encode()).hexdigest()
        submission = SubmissionRow(digest=digest, name=name, kind="sequence", config={"model": {"kind": "sequence"}})
        session.add(submission)
        session.flush()
        run = {"key": digest[:12], "submission_id": submission.id, "task_id": row.id, "seed": 0, "example_limit": 0}
        run |= {"examples": row.examples, "state": "done", "environment": {}, "prepared": {}, "coverage": 1.0}
        (run_id,) = session.scalars(insert(RunRow).returning(RunRow.id), [run])
        session.execute(insert(ScoreRow), [_score(run_id, 0, row.primary_metric, 0.999, 0.001, row.examples)])


# --- What there is ------------------------------------------------------------------------------------------------


def _suite_metrics() -> dict[str, dict[str, tuple[str, ...]]]:
    """Task → metric → the columns that it looks at, for the tasks that are averaged."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for suite in registry.suites():
        for metric in suite.metrics:
            asked = _Asked()
            metric.aggregate(asked, np.ones((1, 2)))
            for task in suite.tasks():
                found.setdefault(task, {})[metric.name] = tuple(asked)
    return found


class _Asked(dict[str, Any]):
    """Columns that note which of them are looked at."""

    def __missing__(self, name: str) -> Any:
        self[name] = np.ones(2)
        return self[name]


def _given(
    place: int, task: Task, metrics: Mapping[str, Mapping[str, tuple[str, ...]]], random: np.random.Generator
) -> _Given:
    card = task.card
    known = dict(metrics.get(card.name, {}))
    known.setdefault(card.primary_metric, (card.primary_metric,))
    size = int(10 ** random.uniform(1.7, 3.6))
    lengths = random.integers(size, 2 * size, 20) if card.family in ("needle", "flowlearn", "lra") else None
    if lengths is None:
        lengths = random.integers(5, 60, 40)
    return _Given(
        id=place,
        card=card,
        metrics={card.primary_metric: known.pop(card.primary_metric)} | known,
        difficulty=float(random.normal()),
        examples=int(10 ** random.uniform(2, 3.3)),
        documents=int(10 ** random.uniform(3.5, 6.7)),
        lengths=tuple(sorted(set(lengths.tolist()))),
    )


def _model(place: int, families: list[str], random: np.random.Generator) -> _Model:
    family = families[place % len(families)]
    kinds = {"lra": ("sequence",), "nids": ("trees", "sequence"), "flowlearn": ("causal_lm",), "needle": ("causal_lm",)}
    kind = str(random.choice(kinds.get(family, ("bm25", "dense", "dense"))))
    ability = float(random.normal())
    size = float(np.clip(8.2 + 0.5 * ability + 0.3 * random.normal(), 7, 9.5))
    return _Model(place, family, kind, ability, _shape(size, "llama" if kind == "causal_lm" else "bert"))


def _shape(size: float, architecture: Any) -> Shape:
    """About 10^size parameters: 12·layers·hidden², as many layers as 1/64 of the width."""
    hidden = 64 * max(2, round((64 * 10**size / 12) ** (1 / 3) / 64))
    heads = hidden // 64
    layers = max(2, hidden // 64)
    return Shape(layers, hidden, heads, heads, 4 * hidden, 32_000, architecture=architecture)


# --- Rows ---------------------------------------------------------------------------------------------------------

Rows = tuple[type[Base], dict[str, Any]]


def _rows(models: list[_Model], given: list[_Given], results: int, random: np.random.Generator) -> Iterator[Rows]:
    """The rows of each run and of the work behind it, tables in the order that their keys ask for."""
    pairs = [(model, task) for task in given for model in models if model.family == task.card.family]
    work = {}
    run = 0
    for seed in itertools.count():
        for model, task in pairs:
            if run == results:
                return
            run += 1
            pair = model.id, task.id
            if seed == 0:
                ledger, *counted = _work(model, task, random)
                if ledger.digest not in work:
                    work[ledger.digest] = None
                    yield LedgerRow, {"digest": ledger.digest, "payload": pack(ledger.stages)}
                work[pair] = ledger.digest, pack(counted), float(random.lognormal(0, 1))
            yield from _run_rows(run, model, task, seed, work[pair], random)


def _run_rows(
    run: int, model: _Model, task: _Given, seed: int, work: tuple[str, bytes, float], random: np.random.Generator
) -> Iterator[Rows]:
    digest, served, seconds = work
    yield RunRow, _run(run, model, task, seed)
    expected = 1 / (1 + np.exp(-(0.9 * model.ability - 0.8 * task.difficulty + 0.3 * random.normal())))
    for place, (metric, columns) in enumerate(task.metrics.items()):
        value, error = expected * 0.97**place, np.sqrt(expected * (1 - expected) / task.examples)
        if place == 0 and seed == 0:
            for name in columns:
                drawn = _column(metric, expected, task.examples, random)
                value, error = float(drawn.mean()), float(drawn.std()) / np.sqrt(task.examples)
                yield ScoreColumnRow, {"run_id": run, "name": name, "payload": pack_floats(drawn)}
        yield ScoreRow, _score(run, place, metric, value, 1.96 * error, task.examples)
    for cost in _costs(run, seconds):
        yield CostRow, cost
    spread = 1 + 0.1 * random.random()
    observed = {"observed_min_seconds": seconds / 100, "observed_median_seconds": seconds / 100 * spread}
    observed |= {"observed_max_seconds": seconds / 100 * spread**2}
    yield (
        WorkRow,
        {"run_id": run, "ledger_digest": digest, "served": served, "preparing": _NOTHING} | _OBSERVED | observed,
    )


_NOTHING = pack([])


def _column(metric: str, expected: float, n: int, random: np.random.Generator) -> Any:
    if not metric.startswith(_GRADED):
        return (random.random(n) < expected).astype(float)
    drawn = np.round(random.beta(4 * expected, 4 * (1 - expected), n), 4)
    return np.where(random.random(n) < 0.2, 0.0, drawn)


def _batches(rows: Iterator[Rows], size: int = 5000) -> Iterator[dict[type[Base], list[dict[str, Any]]]]:
    """By table and a few thousand runs at a time, ledgers and runs before what refers to them."""
    while some := list(itertools.islice(rows, 12 * size)):
        by_table: defaultdict[type[Base], list[dict[str, Any]]] = defaultdict(list)
        for table in (LedgerRow, RunRow):
            by_table[table] = []
        for table, row in some:
            by_table[table].append(row)
        yield {table: several for table, several in by_table.items() if several}


def _work(model: _Model, task: _Given, random: np.random.Generator) -> Any:
    """The work of a pair, followed by what was served of it."""
    n, shape = task.examples, model.shape
    often = [n // len(task.lengths) + 1] * len(task.lengths) if task.lengths else []
    if model.kind == "bm25":
        work = Work((Stage("search", device="host", each={"postings": posting(), "documents": candidate()}),))
        visited = int(n * task.documents * random.uniform(0.01, 0.2))
        return work, Tally("search", n, postings=visited, documents=visited // 2)
    if model.kind == "trees":
        work = Work((Stage("trees", device="host", each={"nodes": graph_node(2)}),))
        return work, Tally("trees", n, nodes=n * int(random.integers(10, 10_000)))
    if model.kind == "causal_lm":
        stage = Stage(
            "generate",
            dtype="float16",
            prompt=tuple((tokens, prefill(shape, 1, tokens)) for tokens in (64, 128, 256)),
            step=tuple((tokens, decode(shape, 1, tokens)) for tokens in (64, 128)),
            memory=shape.memory,
            hidden_size=shape.hidden,
            heads=shape.heads,
        )
        pairs = zip(task.lengths, often, strict=True)
        return Work((stage,)), *(Tally("generate", k, prompt_tokens=t, output_tokens=20) for t, k in pairs)
    encoder = Stage(
        "encode",
        dtype="float16",
        prompt=tuple((tokens, encode(shape, 1, tokens)) for tokens in (32, 64, 128)),
        memory=shape.memory,
        hidden_size=shape.hidden,
        heads=shape.heads,
    )
    tallies = [Tally("encode", k, prompt_tokens=t) for t, k in zip(task.lengths, often, strict=True)]
    if model.kind == "sequence":
        return Work((encoder,)), *tallies
    index = 4 * task.documents * shape.hidden
    scan = Stage("search", once=flat_scan(task.documents, shape.hidden), index_bytes=index)
    return Work((encoder, scan)), *tallies, Tally("search", n)


def _submission(model: _Model) -> dict[str, Any]:
    name = f"generated {model.kind} {model.id:05}"
    settings = {"kind": model.kind, "hidden": model.shape.hidden, "layers": model.shape.layers}
    config = {"name": name, "model": settings}
    return {"id": model.id, "digest": f"{model.id:064x}", "name": name, "kind": model.kind, "config": config}


def _task(task: _Given) -> dict[str, Any]:
    card = task.card
    return {
        "id": task.id,
        "name": card.name,
        "family": card.family,
        "protocol": card.protocol,
        "digest": f"{task.id:064x}",
        "primary_metric": card.primary_metric,
        "generated": True,
        "description": "Generated rows, to time the board with: no model ran.",
        "facts": {"queries": task.examples, "documents": task.documents},
        "examples": task.examples,
    }


def _previews(task: _Given) -> Iterator[dict[str, Any]]:
    for first in range(0, task.examples, _BLOCK):
        places = range(first, min(first + _BLOCK, task.examples))
        rows = [[f"q{i}", f"generated question {i}", {"groups": {"half": f"{2 * i // task.examples}"}}] for i in places]
        yield {"task_id": task.id, "first": first, "count": len(rows), "payload": pack(rows)}


def _run(run: int, model: _Model, task: _Given, seed: int) -> dict[str, Any]:
    return {
        "id": run,
        "key": f"{run:012x}",
        "submission_id": model.id,
        "task_id": task.id,
        "seed": seed,
        "example_limit": 0,
        "examples": task.examples,
        "state": "done",
        "created": now() - timedelta(seconds=run),  # seed 0 is the latest
        "environment": {"processor": "generated"},
        "prepared": {},
        "coverage": 1.0,
        "index_ram_bytes": 4 * task.documents * model.shape.hidden if model.kind == "dense" else None,
        "peak_rss_bytes": 50_000_000 + 2 * model.shape.parameters,
    }


def _score(run: int, place: int, metric: str, value: float, width: float, n: int) -> dict[str, Any]:
    row = {"run_id": run, "metric": metric, "position": place, "value": float(value), "n": n}
    bounds = {"ci_low": max(0.0, float(value - width)), "ci_high": min(1.0, float(value + width))}
    return row | bounds | {"higher_is_better": True, "description": "Generated."}


def _costs(run: int, seconds: float) -> list[dict[str, Any]]:
    same = {"run_id": run, "basis": "observed", "hardware": "generated", "cached": False}
    spent = {"prepare": 3 * seconds, "predict": seconds}
    return [same | {"phase": phase, "cpu_seconds": s, "wall_seconds": s} for phase, s in spent.items()]


def _attempt(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"run_id": run["id"], "number": 1, "owner": "", "state": "done", "environment": run["environment"]}


def _flows(first: int, attack: Any) -> dict[str, Any]:
    rows = [
        [f"flow-{first + i}", f"10.0.{i % 256}.{i // 256}, 443, tcp, {first + i} bytes", "attack" if bad else "benign"]
        for i, bad in enumerate(attack.tolist())
    ]
    return {"task_id": 1_000_000, "first": first, "count": len(rows), "payload": pack(rows)}


def _answers(first: int, score: Any) -> dict[str, Any]:
    said = [
        Prediction(f"flow-{first + i}", Classes("attack" if s > 0.5 else "benign"))
        for i, s in enumerate(score.tolist())
    ]
    payload = pack(said)
    row = {"run_id": 1_000_000, "first": first, "count": len(said), "payload": payload, "sha256": sha256(payload)}
    return row | {"cpu_seconds": 0.06, "wall_seconds": 0.06, "peak_rss_bytes": 0, "attempt_id": 1_000_000}
