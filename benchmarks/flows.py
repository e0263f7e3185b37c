"""Labelling a file of flows piece by piece against the same model on an array in memory.

    python benchmarks/flows.py [FLOWS] [SUBMISSION] [TURNS]     1,000,000 flows, FlowTransformer and 5 by default

Prints JSON. Flows are those of nids/simulated, written again and again to a temporary CSV file. Both ways take turns,
and the least time of each counts: by the clock, where reading goes on beside the model on another core, and of the
processor, where it cannot hide. The array has been read and stands in memory; it comes with its own plain loop.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import registry, submission
from harness.contract import Column, Cost, Places, Resources
from harness.flows import csv_file, streaming, table
from harness.flows.windows import sliding
from harness.meter import Stopwatch, high_water_bytes

_ROWS = 65_536


def main(flows: int, file: Path, turns: int) -> None:
    """Train, write the file, and label it both ways; the array comes second, for it would raise the peak."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        workload = registry.task("nids/simulated").load(Places(scratch, scratch))
        columns = workload.inputs.request.columns
        model: Any = submission.load(file).model()
        model.prepare(Resources(workload.inputs, [], scratch, scratch))
        path = scratch / "flows.csv"
        _write(path, columns, [example.input for example in workload.examples], flows)
        model.predict(workload.examples)  # the first calls of a library are slow, whoever makes them
        _streamed(model, path, columns)
        peak = high_water_bytes()
        with Stopwatch() as reading:
            whole = table.joined(list(csv_file.pieces(path, columns)))
        assert len(whole) == flows
        streamed, array = zip(
            *((_streamed(model, path, columns), _array(model, whole)) for _ in range(turns)), strict=True
        )
    wall = [min(cost.wall_seconds for cost in costs) for costs in (streamed, array)]
    cpu = [min(cost.cpu_seconds for cost in costs) for costs in (streamed, array)]
    shown = {
        "flows": flows,
        "submission": file.stem,
        "streamed_peak_bytes": peak,
        "streamed_flows_per_second": flows / wall[0],
        "wall_seconds": {"streamed": wall[0], "array": wall[1]},
        "cpu_seconds": {"streamed": cpu[0], "array": cpu[1], "reading": reading.cost.cpu_seconds},
        "slower_by": wall[0] / wall[1] - 1,
        "more_cpu_by": cpu[0] / cpu[1] - 1,
    }
    print(json.dumps(shown, indent=2))


def _write(path: Path, columns: tuple[Column, ...], rows: list[Any], flows: int) -> None:
    with path.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow([column.name for column in columns])
        writer.writerows(rows[place % len(rows)] for place in range(flows))


def _streamed(model: Any, path: Path, columns: tuple[Column, ...]) -> Cost:
    found = streaming.stream(model, csv_file.pieces(path, columns))
    return Cost(found.cpu_seconds, found.wall_seconds)


def _array(model: Any, whole: table.Table) -> Cost:
    with Stopwatch() as watch:
        for start in range(0, len(whole), _ROWS):
            features = model.reader.preprocessor.features(whole.part(start, start + _ROWS))
            model.probabilities(sliding(features, model.reader.window))
    return watch.cost


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "submissions" / "nids-flow-transformer.yaml"
    given = sys.argv[1:]
    main(
        int(given[0]) if given else 1_000_000,
        Path(given[1]) if len(given) > 1 else default,
        int(given[2]) if len(given) > 2 else 5,
    )
