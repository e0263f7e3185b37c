"""The results as JSON over HTTP, read only: /api/v1, described in docs/api.md.

A list comes in pages: `items`, `total`, and `next`, the address of the next page or null.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.efficiency.hardware import hardware_profiles
from harness.efficiency.run_prices import NO_STACK, columns, preparing, reference
from harness.efficiency.stacks import stacks
from harness.errors import HarnessError, InputError, UnknownName
from harness.store import Database, read, read_examples, read_work, reports
from leaderboard.rows import NoResults, opened

VERSION = "/api/v1"
MOST_ITEMS = 1000

Answer = Callable[[Database, Request], Any]


def index(database: Database, request: Request) -> Any:
    """What there is to ask."""
    return {route.path: (route.endpoint.__doc__ or "").strip() for route in ROUTES}


def tasks(database: Database, request: Request) -> Any:
    """The tasks that have runs."""
    return _page(request, [read.task_versions(database, task["name"])[0] for task in read.tasks(database)])


def results(database: Database, request: Request) -> Any:
    """A row for each run, newest first, priced: ?task=, submission=, hardware=, stack=, host=, limit=, offset=."""
    asked = request.query_params
    on = reference(
        hardware=_known("hardware", asked.get("hardware"), hardware_profiles()),
        stack=_known("stack", asked.get("stack"), [*stacks(), NO_STACK]),
        host=_known("hardware", asked.get("host"), hardware_profiles()),
    )
    rows = read.runs(database, asked.get("task"))
    if submission := asked.get("submission"):
        rows = [row for row in rows if row["submission"] == submission]
    page = _page(request, rows)
    works = read_work.works(database, [row["run"] for row in page["items"]])
    page["items"] = [
        row | columns(row, work := works.get(row["run"]), on) | preparing(row, work, on) for row in page["items"]
    ]
    return page


def run(database: Database, request: Request) -> Any:
    """One run: its scores with intervals, the submission, the environment, its learning curves."""
    key = request.path_params["run"]
    detail = read.run(database, key)
    return {
        "summary": detail.summary,
        "scores": detail.scores,
        "submission": detail.config,
        "environment": detail.environment,
        "prepared": detail.prepared,
        "curves": read.curves(database, key),
    }


def examples(database: Database, request: Request) -> Any:
    """The statistics of each example of a run: ?limit=, offset=."""
    ids, statistics = read_examples.example_scores(database, request.path_params["run"])
    page = _page(request, range(len(ids)))
    page["items"] = [
        {"id": ids[i]} | {name: float(values[i]) for name, values in statistics.items()} for i in page["items"]
    ]
    return page


def published(database: Database, request: Request) -> Any:
    """Published and self-reported scores of a task with their sources: ?task=, limit=, offset=."""
    return _page(request, reports.reported(database, request.query_params.get("task")))


def _page(request: Request, rows: Sequence[Any]) -> dict[str, Any]:
    limit, offset = _number(request, "limit", 100, MOST_ITEMS), _number(request, "offset", 0, 2**31)
    after = offset + limit
    asked = dict(request.query_params) | {"limit": str(limit), "offset": str(after)}
    following = f"{request.url.path}?{urlencode(asked)}" if after < len(rows) else None
    return {"items": list(rows[offset:after]), "total": len(rows), "next": following}


def _known(what: str, name: str | None, names: Collection[str]) -> str | None:
    """The name, if it is one: on the command line it may be a file, and over HTTP nobody chooses our files."""
    if name and name not in names:
        raise UnknownName(what, name, names)
    return name


def _number(request: Request, name: str, default: int, most: int) -> int:
    written = request.query_params.get(name, str(default))
    if not written.isascii() or not written.isdigit() or int(written) > most:
        raise InputError(f"{name} is {written!r}", hint=f"Give a whole number of at most {most:,}.")
    return int(written)


def _answering(answer: Answer) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(_answered, answer, request)

    endpoint.__doc__ = answer.__doc__
    return endpoint


def _answered(answer: Answer, request: Request) -> Response:
    try:
        with opened() as database:
            return _json(answer(database, request))
    except UnknownName as error:
        return _problem(error, 404)
    except NoResults as error:
        return _problem(error, 404)
    except InputError as error:
        return _problem(error, 400)
    except HarnessError as error:
        return _problem(error, 500)


def _problem(error: HarnessError, status: int) -> Response:
    return _json({"error": error.message, "hint": error.hint}, status)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=_plain), status, media_type="application/json")


def _plain(value: Any) -> Any:
    """Rows may hold mappings that are no dictionaries."""
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"cannot be written as JSON: {type(value).__name__}")


ROUTES = [
    Route(VERSION, _answering(index)),
    Route(f"{VERSION}/tasks", _answering(tasks)),
    Route(f"{VERSION}/results", _answering(results)),
    Route(f"{VERSION}/runs/{{run}}", _answering(run)),
    Route(f"{VERSION}/runs/{{run}}/examples", _answering(examples)),
    Route(f"{VERSION}/published", _answering(published)),
]
