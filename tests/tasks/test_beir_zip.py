"""A zip of one folder in BEIR layout is a task: `--task beir:path/to/x.zip`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.contract import Places
from harness.errors import DataError
from tasks.beir import FAMILY

Command = Callable[..., Any]
FILES = {
    "corpus.jsonl": '{"_id": "d1", "text": "lift of a wing"}\n{"_id": "d2", "text": "drag"}\n',
    "queries.jsonl": '{"_id": "q1", "text": "lift"}\n',
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\n",
}


def write_zip(path: Path, files: Mapping[str, str] = FILES, inner: str = "mine/") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(inner + name, text)
    return path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(data=tmp_path / "data", cache=tmp_path / "cache")


@pytest.mark.parametrize("inner", ["", "mine/", "a/b/"])
def test_its_folder_may_be_anywhere_in_it(command: Command, tmp_path: Path, inner: str) -> None:
    write_zip(tmp_path / "wings.zip", inner=inner)
    (tmp_path / "bm25.yaml").write_text("name: bm25\nmodel: {kind: bm25}\n")
    ended = command("eval", "bm25.yaml", "--task", "beir:wings.zip")
    assert ended.code == 0, ended.err
    rows = json.loads(command("results", "--task", "beir:wings", "--json").out)
    assert {row["task"] for row in rows} == {"beir:wings"}


def test_it_is_the_same_data_as_its_folder(tmp_path: Path, places: Places) -> None:
    path = write_zip(tmp_path / "wings.zip")
    zipped = FAMILY.open(path).load(places)
    (unpacked,) = places.cache.glob("unpacked/*/mine")
    assert FAMILY.open(unpacked).load(places).digest == zipped.digest


def test_it_is_unpacked_once_and_again_when_its_content_changes(tmp_path: Path, places: Places) -> None:
    path = write_zip(tmp_path / "wings.zip")
    first = FAMILY.open(path).load(places)
    assert FAMILY.open(path).load(places).digest == first.digest
    assert len(list(places.cache.glob("unpacked/*"))) == 1
    write_zip(path, FILES | {"corpus.jsonl": '{"_id": "d1", "text": "other"}\n'})
    assert FAMILY.open(path).load(places).digest != first.digest


def test_the_split_is_chosen_as_in_a_folder(tmp_path: Path, places: Places) -> None:
    files = {name.replace("test", "dev"): text for name, text in FILES.items()}
    assert "split dev" in FAMILY.open(write_zip(tmp_path / "a.zip", files)).card.description
    files = {name.replace("dev", "one"): text for name, text in files.items()}
    files["qrels/two.tsv"] = files["qrels/one.tsv"]
    with pytest.raises(DataError, match=r"a\.zip, mine/qrels has several splits .*: one, two"):
        FAMILY.open(write_zip(tmp_path / "a.zip", files))


def test_what_is_no_zip_of_a_collection_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(DataError, match="neither a folder nor a zip file that can be read"):
        FAMILY.open(path)
    with pytest.raises(DataError, match=r"holds no corpus\.jsonl"):
        FAMILY.open(write_zip(path, {"readme.txt": ""}))
    several = {f"{forum}/{name}": text for forum in ("tex", "unix") for name, text in FILES.items()}
    with pytest.raises(DataError, match="holds 2 collections: mine/tex, mine/unix"):
        FAMILY.open(write_zip(path, several))


def test_a_zip_that_lacks_a_file_names_it(tmp_path: Path, places: Places) -> None:
    files = {name: text for name, text in FILES.items() if name != "queries.jsonl"}
    with pytest.raises(DataError, match=r"not a complete BEIR folder: no queries\.jsonl"):
        FAMILY.open(write_zip(tmp_path / "x.zip", files)).load(places)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, places: Places) -> None:
    bomb = FILES | {"corpus.jsonl": "0" * 20_000_000}
    with pytest.raises(DataError, match="unpacks to more than"):
        FAMILY.open(write_zip(tmp_path / "x.zip", bomb)).load(places)
    assert list(places.cache.glob("unpacked/*")) == []


def test_entries_that_lead_elsewhere_are_refused(tmp_path: Path, places: Places) -> None:
    path = write_zip(tmp_path / "x.zip", FILES | {"../../../evil": "x"})
    with pytest.raises(DataError, match="leads out of its folder"):
        FAMILY.open(path).load(places)


def test_progress_is_told_while_it_is_unpacked(tmp_path: Path, places: Places) -> None:
    from dataclasses import replace

    path = tmp_path / "x.zip"
    write_zip(path, FILES | {"big.txt": "".join(map(str, range(600_000)))})
    told: list[tuple[int, int, str]] = []
    FAMILY.open(path).load(replace(places, progress=lambda *said: told.append(said)))
    unpacked = [(done, total) for done, total, unit in told if unit == "MB of x.zip"]
    assert unpacked[-1] == (3, 3)
    assert unpacked == sorted(unpacked)
