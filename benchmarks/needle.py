"""CPU seconds of making needle tasks and scoring their answers.

    python benchmarks/needle.py

Prints JSON: the largest haystack (12,600 pairs, 1.01 MB) with its questions for each kind of task; a whole task of the
largest size; and 10,000 answers of mixed kinds at the largest size, where looking for an invented UUID costs most.
Minimum and median of five rounds, imports outside the clock. The peer is `json.dumps` of as many `uuid.uuid4()`.
"""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Callable
from itertools import cycle, islice

from harness.contract import Places, Prediction, Texts
from tasks.needle_threading.sizes import PUBLISHED
from tasks.needle_threading.task import KINDS, NeedleTask

ROUNDS, ANSWERS, PAIRS = 5, 10_000, PUBLISHED["630k"]


def main() -> None:
    report: dict[str, object] = {"pairs": PAIRS, "rounds": ROUNDS}
    report["uuid4_and_json_dumps"] = timed(
        lambda: json.dumps({str(uuid.uuid4()): str(uuid.uuid4()) for _ in range(PAIRS)})
    )
    for kind in KINDS:
        report[f"one_haystack_{kind.name}"] = timed(lambda kind=kind: next(kind.ask(PAIRS)))
    report["whole_task_threads"] = timed(lambda: NeedleTask(KINDS[3], PAIRS).load(Places.default()), rounds=2)
    for name in ("single", "threads", "multiple"):
        report[f"scoring_{ANSWERS}_{name}"] = scoring(name)
    print(json.dumps(report, indent=2))


def scoring(name: str) -> dict[str, float]:
    (kind,) = [kind for kind in KINDS if kind.name == name]
    workload = NeedleTask(kind, PAIRS).load(Places.default())
    ids = list(islice(cycle(example.id for example in workload.examples), ANSWERS))
    predictions = {}
    for number, id in enumerate(dict.fromkeys(ids)):
        values = workload.scorer.gold(id)["values"]
        right = json.dumps(values if len(values) > 1 else values[0])
        wrong = str(uuid.UUID(int=number))
        answer = (right, f"The answer is {right}.", "I do not know.", wrong, f"{wrong} {right[:20]}")[number % 5]
        predictions[id] = Prediction(id, Texts([answer]))
    return timed(lambda: workload.scorer.columns(ids, predictions))


def timed(work: Callable[[], object], rounds: int = ROUNDS) -> dict[str, float]:
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return {"min_cpu_seconds": round(min(seconds), 4), "median_cpu_seconds": round(statistics.median(seconds), 4)}


if __name__ == "__main__":
    main()
