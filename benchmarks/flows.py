"""Labelling a file of flows piece by piece against the same model on an array in memory.

    python benchmarks/flows.py [FLOWS] [SUBMISSION]     1,000,000 flows and FlowTransformer by default

Prints JSON. Flows are those of nids/simulated, written again and again to a temporary CSV file. CPU seconds, because
wall time on a shared machine says little; reading the file is measured by itself as well.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path

from harness import registry, submission
from harness.contract import Places, Resources
from harness.flows import csv_file, streaming, table
from harness.meter import Stopwatch, high_water_bytes


def main(flows: int, file: Path) -> None:
    """Train, write the file, and label it both ways; the array comes last, for it would raise the peak."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        workload = registry.task("nids/simulated").load(Places(scratch, scratch))
        columns = workload.inputs.request.columns
        model = submission.load(file).model()
        model.prepare(Resources(workload.inputs, [], scratch, scratch))
        path = scratch / "flows.csv"
        with path.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow([column.name for column in columns])
            rows = [example.input for example in workload.examples]
            writer.writerows(rows[place % len(rows)] for place in range(flows))
        model.predict(workload.examples)  # the first calls of a library are slow, whoever makes them
        megabytes = path.stat().st_size / 1e6
        streamed = streaming.stream(model, csv_file.pieces(path, columns))  # type: ignore[arg-type]
        peak = high_water_bytes()
        with Stopwatch() as reading:
            in_memory = table.joined(list(csv_file.pieces(path, columns)))
        with Stopwatch() as array:
            whole = (in_memory.part(start, start + 65_536) for start in range(0, flows, 65_536))
            answered = sum(len(found) for found in streaming.probabilities(model, whole))  # type: ignore[arg-type]
        assert answered == streamed.flows == flows
        cost = array.cost.cpu_seconds
        shown = {
            "flows": flows,
            "megabytes": megabytes,
            "submission": file.stem,
            "streamed_cpu_seconds": streamed.cpu_seconds,
            "streamed_wall_seconds": streamed.wall_seconds,
            "streamed_flows_per_second": streamed.flows_per_second,
            "streamed_peak_bytes": peak,
            "reading_cpu_seconds": reading.cost.cpu_seconds,
            "array_cpu_seconds": cost,
            "array_wall_seconds": array.cost.wall_seconds,
            "slower_by": streamed.cpu_seconds / cost - 1,
            "slower_by_without_reading": (streamed.cpu_seconds - reading.cost.cpu_seconds) / cost - 1,
        }
        print(json.dumps(shown, indent=2))


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "submissions" / "nids-flow-transformer.yaml"
    given = sys.argv[1:]
    main(int(given[0]) if given else 1_000_000, Path(given[1]) if len(given) > 1 else default)
