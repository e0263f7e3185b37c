"""The results as JSON over HTTP, as a program would read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from harness.contract import Line, Ranking
from leaderboard import api

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])


@pytest.fixture
def get() -> Callable[..., Any]:
    client = TestClient(Starlette(routes=api.ROUTES))

    def ask(path: str = "", **asked: object) -> tuple[int, Any]:
        answer = client.get(f"/api/v1{path}", params=asked)
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json()

    return ask


def test_pages_follow_each_other_to_the_end(filler, get) -> None:
    made = {filler.run(f"model {i}", GOOD) for i in range(5)}
    client = TestClient(Starlette(routes=api.ROUTES))
    address, seen = "/api/v1/results?limit=2&task=beir/tiny", []
    while address:
        page = client.get(address).json()
        assert page["total"] == 5
        seen += [row["run"] for row in page["items"]]
        address = page["next"]
    assert len(seen) == 5 and set(seen) == made


def test_a_run_with_its_scores_examples_and_price(filler, get) -> None:
    filler.lines = (Line("majority", 0.1, "floor"),)
    run = filler.run("mine", GOOD, scanned=1000)
    _, detail = get(f"/runs/{run}")
    assert {score["metric"] for score in detail["scores"]} >= {"nDCG@10", "R@100"}
    _, examples = get(f"/runs/{run}/examples")
    assert [row["id"] for row in examples["items"]] == ["q1", "q2"]
    slow, fast = (get("/results", hardware=name)[1]["items"][0] for name in ("T4", "H100-SXM"))
    assert slow["bound_seconds"] > fast["bound_seconds"] > 0
    assert get("/tasks")[1]["items"][0]["lines"][0]["name"] == "majority"
    assert get("/published", task="beir/scifact", limit=1)[1]["total"] > 1


def test_the_index_names_every_address(get) -> None:
    status, found = get()
    assert status == 404  # there is no database yet
    assert found["hint"] or found["error"]


@pytest.mark.parametrize(
    ("path", "asked", "status", "error"),
    [
        ("/results", {"limit": -1}, 400, "limit is '-1'"),
        ("/results", {"offset": "x"}, 400, "offset is 'x'"),
        ("/results", {"hardware": "/etc/hosts"}, 404, "no hardware '/etc/hosts'"),
        ("/runs/none", {}, 404, "no run 'none'"),
        ("/runs/none/examples", {}, 404, "no run 'none'"),
    ],
)
def test_what_is_wrong_is_said(filler, get, path: str, asked: dict[str, object], status: int, error: str) -> None:
    filler.run("mine", GOOD)
    found = get(path, **asked)
    assert found[0] == status
    assert error in found[1]["error"]
