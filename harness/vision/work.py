"""What reading a chart takes, counted: a pixel that is looked at, a way that a line may go, a column of text.

What any program has to do is a scan or a gather; arrays that NumPy writes and reads again in between are temporaries,
counted from the expressions in `pixels`, `chart_reader` and `tracing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.efficiency.ledger import Memory, Operation, OperationKind, Phase
from harness.efficiency.onnx_work import onnx_phase
from harness.efficiency.work import Stage, Work

if TYPE_CHECKING:
    from harness.vision.reading import TextReader

LOOK, TRACE, READ = "look", "trace", "read"
_COLUMNS = (40, 80, 120)
"""Of text, at which the recogniser is counted: its work is quadratic in them, for it has attention."""
_CALLS_OF_A_STEP, _WAYS_OF_A_STEP = 45, 24 * 7
"""Of NumPy for all walkers together, and the ways that a full beam looks at."""


def chart_work(reader: TextReader) -> Work:
    """Stages of the kind `vision`; the recogniser is a network, the rest is work of a processor."""
    stages = [
        Stage(LOOK, device="host", each={"nodes": _pixel()}),
        Stage(TRACE, device="host", each={"nodes": _way()}),
    ]
    if reader.loaded:
        read = tuple((columns, _recogniser(reader, columns)) for columns in _COLUMNS)
        stages.append(Stage(READ, prompt=read, memory=Memory(weights_bytes=reader.model_path.stat().st_size)))
    return Work(tuple(stages), uncounted="decoding of image files")


def _recogniser(reader: TextReader, columns: int) -> Phase:
    height, width = reader.input_size(columns)
    return onnx_phase(reader.model_path, READ, {reader.input_name: np.zeros((1, 3, height, width), np.float32)})


def _pixel() -> Phase:
    """One pixel: boxes by colour, the ground, how far a line covers it, and arrowheads at four times the pixels."""
    return Phase(
        LOOK,
        (
            _moved("filled", "scan", 3, 1),
            _moved("closed_and_opened", "scan", 4, 4),
            _moved("boxes", "scan", 1, 8),
            _moved("cover", "scan", 3, 4),
            _moved("enlarged", "scan", 4, 16),
            _moved("heads", "scan", 28, 28),
            _moved("filled_between", "temporary", 20, 20),
            _moved("ground", "temporary", 33, 26),
            _moved("cover_between", "temporary", 33, 32),
        ),
    )


def _way() -> Phase:
    """One step of a walker in one direction: cover, box and ink at five points."""
    calls = _CALLS_OF_A_STEP / _WAYS_OF_A_STEP
    return Phase(
        TRACE,
        (
            _moved("points", "gather", 60, 0),
            _moved("places", "temporary", 420, 380),
            Operation("step", "call", "", calls, 0.0, 0.0, 0.0),
        ),
    )


def _moved(name: str, kind: OperationKind, read: float, written: float) -> Operation:
    return Operation(name, kind, "float32", 1.0, 0.0, float(read), float(written))
