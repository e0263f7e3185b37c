"""`harness flows`: train a submission on a task, and run it over a file of flows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import registry, submission
from harness.contract import Places, Resources
from harness.errors import InputError
from harness.flows.csv_file import pieces
from harness.flows.streaming import stream
from harness.loading import load
from harness.meter import high_water_bytes
from harness.plain import plain
from harness.terminal import print_json
from harness.units import bytes_text


def run(
    file: Path,
    flows: Path,
    *,
    task: str,
    answers: Path | None,
    header: bool,
    data: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Print flows per second, and how many flows got each label. Raises `InputError` for a kind that reads no rows."""
    entry = submission.load(file)
    model: Any = entry.model(seed)
    if not hasattr(model, "probabilities"):
        raise InputError(f"{file}: this kind does not read files of flows", hint="`tabular` and `flow` do.")
    places = Places.default(data)
    workload = load(registry.task(task), places)
    scratch = places.cache / "flows" / f"{entry.digest[:16]}-{workload.digest[:16]}-{seed}"
    scratch.mkdir(parents=True, exist_ok=True)
    model.prepare(Resources(workload.inputs, [], scratch, places.cache, seed=seed))
    columns = workload.inputs.request.columns
    del workload
    found = stream(model, pieces(flows, columns, header=header), answers)
    shown: dict[str, Any] = {
        "flows": found.flows,
        "flows_per_second": found.flows_per_second,
        "cpu_seconds": found.cpu_seconds,
        "wall_seconds": found.wall_seconds,
        "peak_memory_bytes": high_water_bytes(),
        "said": found.said,
    }
    if as_json:
        print_json(shown)
        return
    said = ", ".join(f"{count:,} {plain(label)}" for label, count in found.said.items())
    print(f"{found.flows:,} flows: {said}")
    print(
        f"{found.flows_per_second:,.0f} flows per second; {found.cpu_seconds:.1f} s CPU, "
        f"peak memory {bytes_text(high_water_bytes())}, training included"
    )
