"""A public collection is fetched once, by checksum, and never left half-unpacked."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contract import Places
from harness.digest import file_digest
from harness.errors import DataError
from tasks.beir.catalogue import COLLECTIONS, Collection, CollectionTask
from tasks.beir.download import PublicZip, fetch

SCIFACT = next(collection for collection in COLLECTIONS if collection.name == "scifact")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ir_datasets home of our own, and one attempt at the network."""
    # Imported first, since ir_datasets makes the home that it finds at its import.
    import ir_datasets  # noqa: F401

    home = tmp_path / "irds"
    monkeypatch.setenv("IR_DATASETS_HOME", str(home))
    monkeypatch.setenv("IR_DATASETS_DL_TRIES", "1")
    return home


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(data=tmp_path / "data", cache=tmp_path / "cache")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers, on machines with a network too: requests go to a closed port of this one."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def zip_folder(folder: Path, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{folder.name}/{file.relative_to(folder)}")
    return path


def published_as(path: Path) -> Collection:
    """SciFact, had it been published as this zip: the official bytes are not at hand, its content is."""
    archive = PublicZip("scifact", file_digest(path, "md5"), "scifact")
    return replace(SCIFACT, archive=archive)


@pytest.mark.data
def test_a_zip_in_the_cache_of_ir_datasets_is_found_by_md5(
    data_root: Path, tmp_path: Path, home: Path, places: Places, offline: None
) -> None:
    path = zip_folder(data_root / "beir" / "scifact", tmp_path / "made.zip")
    collection = published_as(path)
    assert collection.archive is not None
    (home / "downloads").mkdir(parents=True)
    path.rename(home / "downloads" / collection.archive.md5)
    workload = CollectionTask(collection).load(places)
    assert (workload.facts["documents"], workload.facts["queries"]) == (5183, 300)
    assert CollectionTask(collection).status(places).state == "here"
    assert [path.name for path in (places.data / "beir").iterdir()] == ["scifact"]


@pytest.mark.data
def test_a_zip_that_the_user_put_there_is_used(data_root: Path, home: Path, places: Places, offline: None) -> None:
    path = zip_folder(data_root / "beir" / "scifact", places.data / "beir" / "scifact.zip")
    assert CollectionTask(published_as(path)).load(places).facts["documents"] == 5183


def test_without_a_network_the_error_says_what_to_put_where(home: Path, places: Places, offline: None) -> None:
    task = CollectionTask(SCIFACT)
    with pytest.raises(DataError, match=r"scifact\.zip \(md5 5f7d1de60b170fc8027bb7898e2efca1\) is not here") as caught:
        task.load(places)
    root = places.data / "beir"
    assert str(root / "scifact.zip") in caught.value.hint
    assert "beir/python-docs needs no network" in caught.value.hint
    assert list(root.iterdir()) == []
    assert task.status(places).state == "downloadable"


@pytest.mark.parametrize("where", ["data", "ir_datasets download"])
def test_a_zip_with_another_checksum_is_refused(home: Path, places: Places, where: str) -> None:
    root = places.data / "beir"
    path = root / "scifact.zip" if where == "data" else home / "beir" / "scifact" / "source.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of it")
    with pytest.raises(DataError, match="expected md5 5f7d1de60b170fc8027bb7898e2efca1, found") as caught:
        CollectionTask(SCIFACT).load(places)
    assert str(path) in caught.value.message
    assert not (root / "scifact").exists()


def test_a_zip_of_something_else_is_refused(tmp_path: Path, home: Path, places: Places) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "corpus.jsonl").write_text("{}")
    path = zip_folder(tmp_path / "other", places.data / "beir" / "scifact.zip")
    with pytest.raises(DataError, match="holds no folder scifact"):
        CollectionTask(published_as(path)).load(places)
    assert [path.name for path in (places.data / "beir").iterdir()] == ["scifact.zip"]


def test_a_data_root_that_cannot_be_written_is_named_before_the_download(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / "beir"
    assert SCIFACT.archive is not None
    with pytest.raises(DataError, match=f"cannot write to {root}") as caught:
        fetch(SCIFACT.archive, root)
    assert "HARNESS_DATA" in caught.value.hint
