"""What the command line shows of results: tables and JSON on standard output, how a run ended."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from click import echo, style

from harness.plain import plain
from harness.units import bytes_text, seconds_text, short_seconds_text

if TYPE_CHECKING:
    from rich.text import Text

    from harness.loop import Outcome

_LOG_LINES = 12
_STATE_COLOURS = {"done": "green", "unchanged": "green", "running": "cyan"}


def print_json(value: Any) -> None:
    """Plain JSON on standard output, for machines."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, whole: Sequence[str] = ()) -> None:
    """A table of plain text: nothing in a cell is markup. Numbers are aligned right, `whole` columns not cut."""
    from rich.console import Console
    from rich.table import Table

    rows = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: Any) -> Text:
    from rich.text import Text

    if value is None:
        return Text("–", style="dim")
    text = f"{value:.4f}" if isinstance(value, float) else plain(value)
    return Text(text, style=_STATE_COLOURS.get(text, "red" if text in ("failed", "expired") else ""))


def print_outcome(outcome: Outcome, rows: Sequence[Mapping[str, Any]]) -> None:
    """How a run ended: its scores, or why there are none and what to do next."""
    title = f"{plain(outcome.submission)} on {plain(outcome.task)}"
    if outcome.state in ("failed", "interrupted"):
        state = style(f"{outcome.state}: ", fg="red", bold=True)
        echo(f"{state}{title}: {plain(outcome.reason, lines=True)}", err=True)
        for line in outcome.log.strip().splitlines()[-_LOG_LINES:]:
            echo(f"  | {plain(line)}", err=True)
        if outcome.next_step:
            echo(f"  {plain(outcome.next_step)}", err=True)
        return
    note = "" if outcome.state == "done" else " (done before; --rerun makes a new run)"
    echo(f"{style(title, bold=True)}{note}")
    for row in rows:
        interval = f"[{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
        found = row["reproduced"]
        beside = f"  {found.short} against {found.model}, published" if found else ""
        echo(f"  {plain(row['metric']):<12} {row['value']:.4f}  {interval}{beside}")
    if rows:
        echo(style(f"  {_cost_line(rows[0])}", dim=True))


def _cost_line(row: Mapping[str, Any]) -> str:
    cached = " (partly cached, charged at first cost)"
    parts = [f"coverage {row['coverage']:.1%}"]
    if dangling := row["facts"].get("dangling_judgements"):
        parts.append(f"{dangling} of {row['facts']['judgements']} judgements name no document")
    if row["hubness"] is not None:
        parts.append(f"hubness@10 {row['hubness']:.2f}")
    if row["peak_rss_bytes"] is not None:
        parts += [
            f"prepare {seconds_text(row['prepare_cpu_seconds'])} CPU{cached if row['prepare_cached'] else ''}",
            f"predict {seconds_text(row['predict_cpu_seconds'])} CPU{cached if row['predict_cached'] else ''}",
            f"peak memory {bytes_text(row['peak_rss_bytes'])}",
        ]
    if row["index_bytes"] is not None:
        parts.append(f"index {bytes_text(row['index_bytes'])}")
    for basis in ("observed", "calibrated", "bound"):
        if row[f"{basis}_seconds"] is not None:
            where = "" if basis == "observed" else f" on {row['hardware'] if row['accelerators'] else row['host']}"
            parts.append(f"{basis} {short_seconds_text(row[f'{basis}_seconds'])} an example{where}")
    return ", ".join([*parts, f"run {row['run']}"])
