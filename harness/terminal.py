"""What the command line shows: progress on standard error, tables and JSON on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from harness.loop import Outcome
from harness.plain import plain

_LOG_LINES = 12
_STATE_COLOURS = {"done": "green", "unchanged": "green", "running": "cyan"}


def print_json(value: Any) -> None:
    """Plain JSON on standard output, for machines."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, whole: Sequence[str] = ()) -> None:
    """A table of plain text: nothing in a cell is markup. Numbers are aligned right, `whole` columns not cut."""
    rows = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: Any) -> Text:
    if value is None:
        return Text("–", style="dim")
    text = f"{value:.4f}" if isinstance(value, float) else plain(value)
    return Text(text, style=_STATE_COLOURS.get(text, "red" if text in ("failed", "expired") else ""))


def bytes_text(count: int | None) -> str | None:
    """A number of bytes for people, in powers of ten."""
    if count is None:
        return None
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def seconds_text(seconds: float | None) -> str | None:
    """A duration for people."""
    if seconds is None:
        return None
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def short_seconds_text(seconds: float | None) -> str | None:
    """A time of one example for people: seconds, milliseconds or microseconds, to three digits."""
    if seconds is None:
        return None
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


class RunProgress:
    """The progress of one run: a bar with rate and time left on a terminal, a line at a time elsewhere."""

    def __init__(self, submission: str, task: str) -> None:
        self._console = Console(stderr=True)
        self._submission = plain(submission)
        self._title = f"{self._submission} on {plain(task)}"
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._ids: dict[str, Any] = {}

    def __enter__(self) -> RunProgress:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def progress(self, phase: str, done: int, total: int, unit: str) -> None:
        """See `harness.loop.Reporter`; a total of 0 is not known yet."""
        what = f"{phase} {plain(unit)}".strip()
        if not self._console.is_terminal:
            if total and (done == 0 or done >= total):
                print(f"{self._title}: {what} {done} of {total}", file=sys.stderr, flush=True)
            return
        if phase not in self._ids:
            self._ids[phase] = self._bar.add_task("", total=None, completed=done)
        label = f"{self._submission}: {what}"
        self._bar.update(self._ids[phase], description=label, completed=done, total=total or None)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f}/s" if task.speed else "", style="dim")


def print_outcome(outcome: Outcome, rows: Sequence[Mapping[str, Any]]) -> None:
    """How a run ended: its scores, or why there are none and what to do next."""
    out = Console(stderr=outcome.state not in ("done", "unchanged"))
    title = f"{plain(outcome.submission)} on {plain(outcome.task)}"
    if outcome.state in ("failed", "interrupted"):
        out.print(
            Text.assemble((f"{outcome.state}: ", "bold red"), f"{title}: {plain(outcome.reason, lines=True)}"),
            soft_wrap=True,
        )
        if outcome.log.strip():
            tail = outcome.log.strip().splitlines()[-_LOG_LINES:]
            out.print(Text("\n".join(f"  | {plain(line)}" for line in tail)), soft_wrap=True)
        if outcome.next_step:
            out.print(Text(f"  {plain(outcome.next_step)}"), soft_wrap=True)
        return
    note = "" if outcome.state == "done" else " (done before; --rerun makes a new run)"
    out.print(Text.assemble((title, "bold"), note))
    for row in rows:
        interval = f"[{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
        out.print(Text(f"  {plain(row['metric']):<12} {row['value']:.4f}  {interval}"))
    if rows:
        out.print(Text(f"  {_cost_line(rows[0])}", style="dim"), soft_wrap=True)


def _cost_line(row: Mapping[str, Any]) -> str:
    cached = " (partly cached, charged at first cost)"
    parts = [f"coverage {row['coverage']:.1%}"]
    if dangling := row["facts"].get("dangling_judgements"):
        parts.append(f"{dangling} of {row['facts']['judgements']} judgements name no document")
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
