"""The commands about suites: what they consist of, and the averages over them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import registry
from harness.contract import Places, Suite
from harness.errors import StoreError
from harness.plain import plain
from harness.terminal import print_json, print_table


def listing(name: str | None, data: Path | None, *, as_json: bool) -> None:
    """Print the suites, or one with its tasks and where their data is."""
    places = Places.default(data)
    suites = [registry.suite(name)] if name else registry.suites()
    shown = [_described(suite, places) for suite in suites]
    if as_json:
        print_json(shown)
    elif name:
        print(f"{name}: {suites[0].description}\n")
        columns = ["member", "task", "data", "where", "what to do"]
        print_table(columns, [list(task.values()) for suite in shown for task in suite["tasks"]])
    else:
        print_table(
            ["suite", "members", "tasks here", "metric", "description"],
            [[s["suite"], s["members"], _here(s), s["metrics"][0], s["description"]] for s in shown],
        )
        print("\n`harness suites SUITE` shows its tasks, `harness results --suite SUITE` the averages.")


def _described(suite: Suite, places: Places) -> dict[str, Any]:
    known = {task.card.name: task.status(places) for task in registry.tasks()}
    tasks = [
        {
            "member": name,
            "task": task,
            "data": known[task].state,
            "where": known[task].where,
            "hint": known[task].hint,
        }
        for name, member in _members(suite)
        for task in member
        if task in known
    ]
    return {
        "suite": suite.name,
        "description": suite.description,
        "metrics": [metric.name for metric in suite.metrics],
        "members": len(suite.members),
        "tasks": tasks,
    }


def _members(suite: Suite) -> list[tuple[str, list[str]]]:
    return [(m.name, list(m.tasks())) if isinstance(m, Suite) else (m, [m]) for m in suite.members]


def _here(suite: dict[str, Any]) -> str:
    ready = sum(task["data"] in ("here", "embedded") for task in suite["tasks"])
    return f"{ready} of {len(suite['tasks'])}"


def results(name: str, db: str, *, as_json: bool) -> None:
    """Print the averages over a suite: the primary metric, or all of them as JSON."""
    from harness.store import open_database
    from harness.store.claims import expire_lost_runs
    from harness.suite import averages, entries

    suite = registry.suite(name)
    database = open_database(db, create=False)
    with suppress(StoreError):  # a database that we may only read can be shown all the same
        expire_lost_runs(database)
    metrics = suite.metrics if as_json else suite.metrics[:1]
    found = entries(database, suite, metrics)
    rows = [row for metric in metrics for row in averages(suite, metric, found[metric.name])]
    if as_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        _print_averages(suite, rows)
    else:
        print(f"No results over {name} yet. `harness eval submissions/bm25.yaml --task {name}` makes some.")


def _print_averages(suite: Suite, rows: list[Any]) -> None:
    members = [member for member, _ in _members(suite)]
    shown = [member for member in members if any(score.member == member for row in rows for score in row.scores)]
    short = {member: member.removeprefix(f"{suite.name.partition('/')[0]}/") for member in shown}
    columns = ["coverage", "rank", "submission", f"mean {rows[0].metric}", "95 % interval", *short.values()]
    table = []
    for row in rows:
        values = {score.member: score.value for score in row.scores}
        table.append(
            [
                f"{row.covered} of {row.members}",
                row.rank,
                row.submission + (" [own code]" if row.runs_code else ""),
                row.value,
                None if row.ci_low is None else f"{row.ci_low:.4f}–{row.ci_high:.4f}",
                *(values.get(member) for member in shown),
            ]
        )
    print_table(columns, table, whole=("coverage", "95 % interval"))
    print(f"\n{plain(suite.name)}: {plain(suite.description)}")
    print("Ranks are among averages over the same data only; others cannot be compared.")
