"""The boards as plain files: they open from disk, hold no script, and show strangers' text as text."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from harness.contract import Ranking
from harness.efficiency.run_prices import reference
from harness.errors import InputError
from harness.store import open_database
from leaderboard.site import export

GOOD = Ranking(["d1", "d2", "d3"], [3.0, 2.0, 1.0])
BAD = Ranking(["d3", "d2", "d1"], [3.0, 2.0, 1.0])
HOSTILE = "<script>alert(1)</script> & \u202e"


def exported(filler, folder: Path) -> dict[str, str]:
    files = export(open_database(str(filler.path), create=False), folder, reference())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_a_page_its_data_and_its_chart_for_each_task(filler, tmp_path: Path) -> None:
    filler.run("good", GOOD)
    filler.run(HOSTILE, BAD)
    filler.card = dataclasses.replace(filler.card, name="../../beir/<i>other")
    filler.run("alone", GOOD)
    site = exported(filler, tmp_path / "site")
    assert set(site) == {"index.html"} | {
        f"{kind}/{name}.{suffix}"
        for name in ("beir-tiny", "beir-i-other")
        for kind, suffix in (("tasks", "html"), ("data", "json"), ("charts", "svg"))
    }
    for name, page in site.items():
        if name.endswith(".html"):
            assert "<script" not in page and "<i>" not in page and "\u202e" not in page
            assert all(
                (tmp_path / "site" / name).parent.joinpath(to).is_file()
                for to in re.findall('(?:href|src)="([^"]+)"', page)
            )
    rows = json.loads(site["data/beir-tiny.json"])["rows"]
    assert [row["Rank"] for row in rows] == [1, 2]
    assert site["charts/beir-tiny.svg"].startswith("<svg")


def test_again_into_the_same_folder_and_never_into_another(filler, tmp_path: Path) -> None:
    filler.run("good", GOOD)
    assert exported(filler, tmp_path / "site") == exported(filler, tmp_path / "site")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="not empty"):
        exported(filler, tmp_path / "mine")
