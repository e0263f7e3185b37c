"""The boards as plain files: HTML that opens from disk or any web host, with the data as JSON and the charts as SVG.

index.html, and for each task tasks/NAME.html, data/NAME.json, charts/NAME.svg. No script, nothing from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.efficiency.serving import Reference
from harness.errors import InputError
from harness.store import Database, read, reports
from leaderboard import charts, costs, lines, runs_table
from leaderboard.ranked import priced, ranked
from leaderboard.reported import gathered
from leaderboard.rows import DIGITS
from leaderboard.text import escaped

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
.note { font-size: .87rem; opacity: .75; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #8886; white-space: nowrap; }
td.number, th.number { text-align: right; } tr.elsewhere { opacity: .65; }
img { max-width: 100%; background: #fff; border-radius: .3rem; }
"""
_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LEFT_OUT = frozenset(runs_table.ON_REQUEST)
_BASES = ("calibrated", "bound", "observed", "cpu")


@dataclass(frozen=True)
class _Board:
    """What the page of a task shows."""

    version: Mapping[str, Any]
    rows: Sequence[runs_table.Row]
    metric: str
    drawing: charts.Drawing | None

    @property
    def file(self) -> str:
        return _NAME.sub("-", self.version["name"]).strip("-.") or "task"


def export(database: Database, folder: Path, on: Reference) -> list[Path]:
    """Write the boards of all tasks with finished runs; returns the files. Raises `InputError` for a folder in use."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "index.html").is_file():
        raise InputError(f"{folder} is not empty, and no site", hint="Name a new folder.")
    boards = list(_boards(database, on))
    files = {"index.html": _index(boards, on)}
    for board in boards:
        files[f"tasks/{board.file}.html"] = _page(board, on)
        files[f"data/{board.file}.json"] = _data(board, on)
        if board.drawing:
            files[f"charts/{board.file}.svg"] = _svg(board.drawing)
    written = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written


def _boards(database: Database, on: Reference) -> Iterator[_Board]:
    for task in read.tasks(database):
        if not task["done"]:
            continue
        version = read.task_versions(database, task["name"])[0]
        scores = reports.reported(database, task["name"])
        metric = version["primary_metric"]
        whole = ranked(database, version, scores)
        found = whole.entries
        if not found:
            continue
        prices = priced(database, whole, on)
        held_against, others = lines.gathered(version, found), gathered(scores)
        rows = runs_table.lines(found, others, held_against, metric, {}, prices)
        spent = costs.by_basis(found, prices)
        basis = next((basis for basis in _BASES if spent[basis]), "cpu")
        drawing = charts.score_and_cost(found, others, held_against, metric, spent[basis], costs.AXES[basis])
        yield _Board(version, rows, metric, drawing)


def _index(boards: Sequence[_Board], on: Reference) -> str:
    listed = "".join(
        f'<tr><td><a href="tasks/{board.file}.html">{escaped(board.version["name"])}</a></td>'
        f"<td>{escaped(best.cells['Submission'])}</td><td class=number>{best.cells[board.metric]:.{DIGITS}f}</td>"
        f"<td>{escaped(board.metric)}</td><td class=number>{sum(row.run is not None for row in board.rows):,}</td></tr>"
        for board in boards
        for best in [next(row for row in board.rows if row.run)]
    )
    head = "<tr><th>Task<th>Best<th class=number>Score<th>Metric<th class=number>Runs</tr>"
    note = f"<p class=note>Idealized seconds are of {escaped(on)}. The data is beside the pages as JSON.</p>"
    return _document("Equal Footing", f"<div class=scroll><table>{head}{listed}</table></div>{note}")


def _page(board: _Board, on: Reference) -> str:
    version = board.version
    columns = [name for name in board.rows[0].cells if name not in _LEFT_OUT]
    head = "".join(f"<th{_align(board.rows, name)}>{escaped(name)}" for name in columns)
    body = "".join(
        f"<tr{'' if row.run else ' class=elsewhere'}>"
        + "".join(f"<td{_align(board.rows, name)}>{_cell(name, row.cells.get(name))}</td>" for name in columns)
        + "</tr>"
        for row in board.rows
    )
    chart = (
        f'<h2>{escaped(board.metric)} against cost</h2><img src="../charts/{board.file}.svg" '
        f'alt="{escaped(board.drawing.alt)}">'
        if board.drawing
        else ""
    )
    marks = ", ".join([*(["generated data"] if version["generated"] else []), *version["marks"]])
    return _document(
        version["name"],
        f'<p class=note><a href="../index.html">All tasks</a> · protocol {escaped(version["protocol"])} · data '
        f"{escaped(version['digest'][:12])} · {escaped(marks)}</p><p>{escaped(version['description'])}</p>"
        f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"
        f"<p class=note>Milliseconds are of one example on {escaped(on)}; observed ones of the machine of the run. "
        f'Grey: made elsewhere, never ranked. <a href="../data/{board.file}.json">JSON</a></p>{chart}',
    )


def _data(board: _Board, on: Reference) -> str:
    rows = [{**row.cells, "Citation": row.citation} for row in board.rows]
    shown = {"task": {**board.version}, "metric": board.metric, "reference": str(on), "rows": rows}
    return msgspec.json.format(msgspec.json.encode(shown), indent=1).decode()


def _svg(drawing: charts.Drawing) -> str:
    try:
        import vl_convert
    except ImportError as error:
        raise InputError("charts need vl-convert", hint="pip install 'equal-footing[plot]'") from error
    written: str = vl_convert.vegalite_to_svg(drawing.chart.properties(width=900).to_dict())
    return written


def _cell(name: str, value: Any) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if name.endswith(")") else f"{value:.{DIGITS}f}"
    if isinstance(value, list | tuple):
        return escaped(", ".join(map(str, value)))
    return escaped(value)


def _align(rows: Sequence[runs_table.Row], name: str) -> str:
    found = [row.cells.get(name) for row in rows if row.cells.get(name) is not None]
    return " class=number" if found and all(isinstance(value, int | float) for value in found) else ""


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escaped(title)}</title><style>{_STYLE}</style><h1>{escaped(title)}</h1>{body}</html>\n"
    )
