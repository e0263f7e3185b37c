"""The commands that list what there is: tasks, data, model kinds, the schema of submission files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from harness import registry
from harness.contract import Places, Task
from harness.schema_words import in_words
from harness.submission_schema import to_json_schema
from harness.terminal import print_json, print_table


def tasks(data: Path | None, *, as_json: bool) -> None:
    """Print the tasks."""
    places = Places.default(data)
    rows = [_task_row(task, places) for task in registry.tasks()]
    _warn_of_problems()
    if as_json:
        print_json(rows)
        return
    columns = ["task", "needs", "metric", "protocol", "data", "description"]
    print_table(
        columns,
        [[r["task"], ", ".join(r["needs"]), r["metric"], r["protocol"], r["data"], r["description"]] for r in rows],
    )
    if names := [suite.name for suite in registry.suites()]:
        print(f"\nSuites, which `--task` takes as well: {', '.join(names)}. `harness suites` says what is in them.")


def _task_row(task: Task, places: Places) -> dict[str, Any]:
    card, status = task.card, task.status(places)
    return {
        "task": card.name,
        "family": card.family,
        "protocol": card.protocol,
        "metric": card.primary_metric,
        "needs": sorted(card.needs),
        "generated": card.generated,
        "description": card.description,
        "licence": card.licence,
        "citation": card.citation,
        "url": card.url,
        "data": status.state,
        "where": status.where,
        "hint": status.hint,
    }


def data(root: Path | None, *, as_json: bool) -> None:
    """Print where data is looked for and what is there."""
    places = Places.default(root)
    rows = [_task_row(task, places) for task in registry.tasks()]
    shown = [{key: row[key] for key in ("task", "data", "where", "licence", "hint")} for row in rows]
    if as_json:
        print_json({"data_root": str(places.data), "cache": str(places.cache), "tasks": shown})
        return
    print(f"data root  {places.data}\ncache      {places.cache}\n")
    print_table(["task", "data", "where", "licence", "what to do"], [list(row.values()) for row in shown])


def models(kind: str | None, *, as_json: bool) -> None:
    """Print the model kinds, or one kind's settings."""
    kinds = {name: registry.model_kind(name) for name in ([kind] if kind else registry.model_kinds())}
    _warn_of_problems()
    if as_json:
        print_json([_kind_row(name, found) for name, found in kinds.items()])
        return
    if kind is None:
        rows = [_kind_row(name, found) for name, found in kinds.items()]
        print_table(
            ["kind", "brings code", "description"],
            [[r["kind"], "yes" if r["runs_code"] else "no", r["description"]] for r in rows],
        )
        print("\n`harness models KIND` shows its settings.")
        return
    row = _kind_row(kind, kinds[kind])
    print(f"{row['kind']}: {row['description']}\n")
    settings = row["settings"]
    print_table(
        ["setting", "may be", "default", "meaning"],
        [[s["name"], s["type"], _default_text(s), s["description"]] for s in settings],
    )


def _kind_row(name: str, kind: Any) -> dict[str, Any]:
    whole = kind.Config.model_json_schema(by_alias=False)
    settings = [
        {
            "name": field_name,
            "type": in_words(whole["properties"][field_name], whole.get("$defs", {})),
            "required": field.is_required(),
            "default": None if field.is_required() else field.get_default(call_default_factory=True),
            "description": whole["properties"][field_name].get("description", ""),
        }
        for field_name, field in kind.Config.model_fields.items()
    ]
    return {
        "kind": name,
        "version": kind.version,
        "runs_code": kind.runs_code,
        "description": (kind.__doc__ or "").strip().split("\n")[0],
        "settings": settings,
    }


def _default_text(setting: dict[str, Any]) -> str | None:
    """As it would stand in a file; None where it is nothing."""
    default = "required" if setting["required"] else setting["default"]
    if default is None or (default and isinstance(default, str)):
        return default
    return msgspec.json.encode(default).decode()


def schema() -> None:
    """Print the JSON Schema of submission files."""
    print_json(to_json_schema())


def _warn_of_problems() -> None:
    for problem in registry.problems():
        print(f"warning: {problem}", file=sys.stderr)
