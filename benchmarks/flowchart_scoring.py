"""Gold charts a CPU second that are read, written back and scored as Mermaid code: JSON on standard output.

`python benchmarks/flowchart_scoring.py DATA_ROOT`; `exact` are those of which every byte came back.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from harness.flowcharts.mermaid import read, write
from tasks.flowlearn.questions import Question
from tasks.flowlearn.scorer import GraphScorer


def main(root: Path) -> dict[str, float]:
    files = [root / f"flowlearn/simflowchart_{kind}_test_gold.json" for kind in ("word", "char")]
    golds = [item["mermaid"] for file in files for item in json.loads(file.read_bytes()).values()]
    codes = [gold.removeprefix("```mermaid\n").removesuffix("\n```") for gold in golds]
    begun = time.process_time()
    exact = sum(write(read(code)) == code for code in codes)
    read_at = time.process_time()
    questions = [Question("bench", str(place), "to-mermaid", "", gold) for place, gold in enumerate(golds)]
    scorer = GraphScorer(questions)
    right = sum(scorer.row(q, q.answer)["exact_graph"] for q in questions)
    scored = time.process_time()
    return {
        "charts": len(codes),
        "exact": exact,
        "read_and_written_per_cpu_second": round(len(codes) / (read_at - begun)),
        "scored_per_cpu_second": round(len(codes) / (scored - read_at)),
        "scored_as_exact": right,
    }


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1])), sys.stdout, indent=2)
