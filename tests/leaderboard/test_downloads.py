"""What is saved is what is shown, safe in a spreadsheet and in LaTeX."""

from __future__ import annotations

import json

import altair as alt
import pytest

from leaderboard import downloads
from leaderboard.text import frame

TABLE = frame(
    [
        {"Rank": 1, "Submission": "50 % a_b & \\input{x}", "nDCG@10": 0.123456, "Marks": ["own code", "cached"]},
        {"Rank": None, "Submission": "=1+1", "nDCG@10": None, "Marks": []},
    ]
)


def test_latex_has_nothing_of_a_name_left_that_latex_would_run():
    saved = downloads.latex(TABLE).decode()
    assert r"1 & 50 \% a\_b \& \textbackslash input\{x\} & 0.1235 & own code, cached \\" in saved
    assert r"-- & =1+1 & -- &  \\" in saved
    assert r"\toprule" in saved


def test_json_keeps_every_digit_and_says_null():
    first, second = json.loads(downloads.json(TABLE))
    assert (first["nDCG@10"], first["Rank"], first["Marks"]) == (0.123456, 1, ["own code", "cached"])
    assert second["nDCG@10"] is None and second["Rank"] is None


def test_a_chart_is_drawn_without_a_browser():
    pytest.importorskip("vl_convert")
    chart = alt.Chart(frame([{"x": 1, "y": 2}])).mark_point().encode(x="x:Q", y="y:Q")
    assert downloads.svg(chart).startswith(b"<svg")
