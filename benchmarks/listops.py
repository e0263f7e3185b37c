"""Drawing ListOps by Long Range Arena's law: this project's generator, and the law followed one node at a time.

    python benchmarks/listops.py [ROWS]

Prints process-CPU seconds as JSON. The reference draws one node after the other by recursion, as upstream does, keeps
what is long and short enough and was not kept before, works out its value and writes it down. It draws a twentieth of
the rows, and its seconds are scaled.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator

from tasks.lra.evaluator import Operation, Tree, value
from tasks.lra.listops import LRA, draw

_SHARE = 20


def tree(depth: int) -> tuple[int, Tree]:
    """A random tree with its length."""
    if depth >= LRA.max_depth or random.random() > 0.25:
        return 1, random.randint(0, 9)
    parts = [tree(depth + 1) for _ in range(random.randint(2, LRA.max_arguments))]
    arguments = tuple(part for _, part in parts)
    return 2 + sum(length for length, _ in parts), Operation(random.choice("mMds"), arguments)


def written(drawn: Tree) -> str:
    """The tree, one symbol a character."""
    if isinstance(drawn, int):
        return str(drawn)
    return f"{drawn.operator}{''.join(map(written, drawn.arguments))}]"


def one_at_a_time(count: int) -> Iterator[tuple[str, int]]:
    """So many different expressions, each with its value."""
    seen = set[str]()
    while len(seen) < count:
        length, drawn = tree(1)
        if LRA.longer_than < length < LRA.shorter_than and (text := written(drawn)) not in seen:
            seen.add(text)
            yield text, value(drawn)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    begun = time.process_time()
    drawn = sum(1 for _ in draw(LRA, rows, seed=0))
    ours = time.process_time() - begun
    begun = time.process_time()
    random.seed(0)
    reference = sum(1 for _ in one_at_a_time(rows // _SHARE))
    theirs = (time.process_time() - begun) * drawn / reference
    print(json.dumps({"rows": drawn, "cpu_seconds": round(ours, 2), "one_at_a_time_cpu_seconds": round(theirs, 1)}))


if __name__ == "__main__":
    main()
