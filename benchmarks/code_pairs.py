"""What building CodeSearchNet's pairs from Python sources takes: `python benchmarks/code_pairs.py FOLDER…`, JSON out.

A FOLDER holds the unpacked sources of a package, under its name.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tasks.codesearchnet.builder import Skipped, distinct, pairs, without_near_duplicates


def main(folders: list[Path]) -> None:
    """Build, count and time."""
    start, skipped = time.process_time(), Skipped()
    found = {folder.name: list(pairs(folder, folder.name, skipped=skipped)) for folder in folders}
    kept = distinct(pair for each in found.values() for pair in each)
    report = {
        "pairs": {name: len(each) for name, each in found.items()},
        "distinct": len(kept),
        "distinct_cpu_seconds": round(time.process_time() - start, 1),
        "without_near_duplicates": len(without_near_duplicates(kept)),
        "unreadable_files": skipped.unreadable,
        "cpu_seconds": round(time.process_time() - start, 1),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
