"""Charts drawn by Graphviz in the colours of Mermaid's default theme: quick, and with other curves and arrowheads."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.errors import DataError
from harness.flowcharts.chart import Style
from tasks.flowlearn.drawing import Box, Rendered
from tasks.flowlearn.generator import Drawn

FONT = "DejaVu Sans"
_DPI = 96
_PAD_INCHES = 4 / 72
_BATCH = 50
_SECONDS = 120
_LINES: dict[Style, str] = {"solid": "penwidth=1.2", "thick": "penwidth=2.6", "dotted": "penwidth=1.2 style=dotted"}


class Graphviz:
    """`dot`, many charts to a process."""

    name = "graphviz"

    def missing(self) -> str:
        if shutil.which("dot"):
            return ""
        return "Install Graphviz (Debian: apt-get install graphviz fonts-dejavu-core)."

    def version(self) -> str:
        """Graphviz's version, and the sha256 of the file of the font."""
        told = subprocess.run(["dot", "-V"], capture_output=True, text=True, timeout=_SECONDS, check=False)
        return f"{told.stderr.strip()}, {FONT} {_font_digest()}"

    def render(self, charts: Sequence[Drawn], progress: Callable[[int], None]) -> Iterator[Rendered]:
        for first in range(0, len(charts), _BATCH):
            yield from _rendered(charts[first : first + _BATCH])
            progress(min(first + _BATCH, len(charts)))


def _rendered(charts: Sequence[Drawn]) -> list[Rendered]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "c"
        source.write_text("\n".join(map(_dot, charts)))
        command = ["dot", "-Tpng", "-Tplain", "-O", str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        names = ["c", *(f"c.{number}" for number in range(2, len(charts) + 1))]
        files = [(Path(folder) / f"{name}.png", Path(folder) / f"{name}.plain") for name in names]
        if done.returncode or not all(png.is_file() and plain.is_file() for png, plain in files):
            raise DataError(
                f"dot ended with {done.returncode}: {done.stderr.strip()[:300]}",
                hint="Is Graphviz whole? `dot -V` and `dot -Tpng` have to work.",
            )
        return [Rendered(png.read_bytes(), _boxes(plain.read_text())) for png, plain in files]


def _dot(drawn: Drawn) -> str:
    chart = drawn.chart
    nodes = (f'{node.id} [label="{node.label}"];' for node in chart.nodes)
    links = (f"{link.source} -> {link.target} [{_LINES[link.style]}];" for link in chart.links)
    direction = "TB" if chart.direction == "TD" else chart.direction
    return "\n".join(
        [
            f'digraph {{ rankdir={direction}; bgcolor="{drawn.background}"; dpi={_DPI}; ranksep=0.6; nodesep=0.5;',
            f'node [shape=box style="rounded,filled" fillcolor="#ECECFF" color="#9370DB" fontname="{FONT}" fontsize=12 '
            'fontcolor="#333333" height=0.4];',
            'edge [color="#333333"];',
            *nodes,
            *links,
            "}",
        ]
    )


def _boxes(plain: str) -> dict[str, Box]:
    """Boxes out of the format `plain`: inches, from the lower left corner, without the padding."""
    boxes: dict[str, Box] = {}
    height = 0.0
    for line in plain.splitlines():
        fields = shlex.split(line)
        if fields[0] == "graph":
            height = float(fields[3])
        elif fields[0] == "node":
            x, y, width, tall = map(float, fields[2:6])
            edges = (x - width / 2, height - y - tall / 2, x + width / 2, height - y + tall / 2)
            left, top, right, bottom = (round((edge + _PAD_INCHES) * _DPI) for edge in edges)
            boxes[fields[1]] = (left, top, right, bottom)
    return boxes


def _font_digest() -> str:
    if not shutil.which("fc-match"):
        return "unknown"
    command = ["fc-match", FONT, "--format=%{file}"]
    file = Path(subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else "unknown"
