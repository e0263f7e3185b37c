"""CPU seconds of all retrieval metrics with their intervals, beside ir-measures and pytrec_eval on the same run.

    python benchmarks/ranking_metrics.py

Made-up rankings with ties: 1,000 queries, 1,000 documents each, 20 judged for each query. Prints JSON: process CPU
seconds, minimum and median of five interleaved rounds. Imports are outside the clock, building the evaluators inside.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import ir_measures
import numpy as np
import pytrec_eval
from ir_measures import AP, RR, R, nDCG

from harness.contract import Prediction, Ranking
from harness.metrics.bootstrap import intervals
from harness.metrics.ranking import RankingScorer

QUERIES, DEPTH, JUDGED, CORPUS, ROUNDS = 1000, 1000, 20, 50_000, 5


def main() -> None:
    random = np.random.default_rng(0)
    ids = [f"doc{i}" for i in range(CORPUS)]
    predictions, qrels = {}, {}
    for query in (f"q{i}" for i in range(QUERIES)):
        retrieved = random.choice(CORPUS, DEPTH, replace=False)
        scores = np.sort(random.integers(0, 500, DEPTH) / 7)[::-1]
        predictions[query] = Prediction(query, Ranking([ids[i] for i in retrieved], scores.tolist()))
        judged = random.choice(retrieved, JUDGED, replace=False)
        qrels[query] = {ids[i]: int(grade) for i, grade in zip(judged, random.integers(0, 3, JUDGED), strict=True)}
    run = {id: dict(zip(p.output.ids, p.output.scores, strict=True)) for id, p in predictions.items()}

    def ours() -> None:
        scorer = RankingScorer(qrels, ids)
        columns = scorer.columns(list(qrels), predictions)
        intervals(scorer.metrics, columns, len(qrels), resamples=1000)

    def check() -> None:
        scorer = RankingScorer(qrels, ids)
        for prediction in predictions.values():
            scorer.check(prediction)

    def plain_ir_measures() -> None:
        measures = [nDCG @ 10, R @ 100, R @ 1000, AP, RR]
        for _ in ir_measures.iter_calc(measures, qrels, run):
            pass

    def plain_pytrec_eval() -> None:
        names = {"ndcg_cut_10", "recall_100", "recall_1000", "map", "recip_rank"}
        pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)

    timed = {
        "ours_metrics_and_1000_resamples": ours,
        "ours_check": check,
        "ir_measures_iter_calc": plain_ir_measures,
        "pytrec_eval_evaluate": plain_pytrec_eval,
    }
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, work in timed.items():
            seconds[name].append(cpu_seconds(work))
    report = {
        name: {"min_cpu_seconds": round(min(s), 4), "median_cpu_seconds": round(statistics.median(s), 4)}
        for name, s in seconds.items()
    }
    print(json.dumps({"queries": QUERIES, "depth": DEPTH, "rounds": ROUNDS} | report, indent=2))


def cpu_seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
