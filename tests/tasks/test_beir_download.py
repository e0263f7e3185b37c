"""A public collection is had once, by checksum: from what the user has, else from the network; never half of it."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contract import Places
from harness.digest import file_digest
from harness.errors import DataError
from tasks.beir.catalogue import COLLECTIONS, Collection
from tasks.beir.collection import CollectionTask
from tasks.beir.download import PublicZip

SCIFACT = next(collection for collection in COLLECTIONS if collection.name == "scifact")
TOUCHE_V1 = next(collection for collection in COLLECTIONS if collection.name == "webis-touche2020-v1")
FORUM = next(collection for collection in COLLECTIONS if collection.name == "cqadupstack/android")


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


def zip_folder(folder: Path, path: Path, inner: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{inner or folder.name}/{file.relative_to(folder)}")
    return path


def published_as(path: Path, collection: Collection = SCIFACT) -> Collection:
    """The collection, had it been published as this zip: the official bytes are not at hand, SciFact's content is."""
    assert collection.archive is not None
    archive = replace(collection.archive, md5=file_digest(path, "md5"))
    counts = {"documents": SCIFACT.documents, "queries": SCIFACT.queries, "judgements": SCIFACT.judgements}
    return replace(collection, archive=archive, **counts)


def archive_of(collection: Collection) -> PublicZip:
    assert collection.archive is not None
    return collection.archive


@pytest.mark.data
@pytest.mark.parametrize("where", ["downloads, by md5", "beir/scifact/source.zip"])
def test_a_zip_that_ir_datasets_keeps_is_used(
    data_root: Path, tmp_path: Path, home: Path, places: Places, offline: None, where: str
) -> None:
    path = zip_folder(data_root / "beir" / "scifact", tmp_path / "made.zip")
    collection = published_as(path)
    kept = home / ("downloads/" + archive_of(collection).md5 if where.startswith("downloads") else where)
    kept.parent.mkdir(parents=True)
    path.rename(kept)
    task = CollectionTask(collection)
    assert (task.status(places).state, task.status(places).where) == ("here", str(kept))
    workload = task.load(places)
    assert (workload.facts["documents"], workload.facts["queries"]) == (5183, 300)
    kept.unlink()
    assert task.status(places).state == "here", "its content stays in the cache"
    assert task.load(places).digest == workload.digest
    assert not places.data.exists(), "nothing is written to the data root"


@pytest.mark.data
def test_a_zip_in_a_data_root_that_is_read_only_is_used(
    data_root: Path, home: Path, places: Places, offline: None
) -> None:
    path = zip_folder(data_root / "beir" / "scifact", places.data / "beir" / "scifact.zip")
    path.parent.chmod(0o555)
    task = CollectionTask(published_as(path))
    assert task.status(places).ready
    assert task.load(places).facts["documents"] == 5183
    path.parent.chmod(0o755)
    assert [file.name for file in path.parent.iterdir()] == ["scifact.zip"]


@pytest.mark.data
def test_a_folder_goes_before_a_zip(data_root: Path, home: Path, places: Places, offline: None) -> None:
    path = zip_folder(data_root / "beir" / "cranfield", places.data / "beir" / "scifact.zip")
    (places.data / "beir" / "scifact").symlink_to(data_root / "beir" / "scifact")
    assert CollectionTask(published_as(path)).load(places).facts["documents"] == 5183


@pytest.mark.data
@pytest.mark.parametrize(
    ("collection", "zip_name", "inner"),
    [
        (TOUCHE_V1, "webis-touche2020-v1.zip", "webis-touche2020"),
        (FORUM, "cqadupstack.zip", "cqadupstack/android"),
    ],
)
def test_a_zip_whose_folder_has_another_name_is_used(
    data_root: Path, home: Path, places: Places, offline: None, collection: Collection, zip_name: str, inner: str
) -> None:
    path = zip_folder(data_root / "beir" / "scifact", places.data / "beir" / zip_name, inner)
    assert CollectionTask(published_as(path, collection)).load(places).facts["documents"] == 5183


def test_without_a_network_the_error_says_what_to_put_where(home: Path, places: Places, offline: None) -> None:
    task = CollectionTask(SCIFACT)
    with pytest.raises(DataError, match=r"scifact\.zip \(md5 5f7d1de60b170fc8027bb7898e2efca1\) is not here") as caught:
        task.load(places)
    root = places.data / "beir"
    assert f"{root / 'scifact.zip'}, or its folder at {root / 'scifact'}" in caught.value.hint
    assert "beir/python-docs needs no network" in caught.value.hint
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
    assert f"--task beir:{path}" in caught.value.hint
    assert not places.cache.exists()


def test_a_zip_of_something_else_is_refused(tmp_path: Path, home: Path, places: Places) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "corpus.jsonl").write_text("{}")
    path = zip_folder(tmp_path / "other", places.data / "beir" / "scifact.zip")
    with pytest.raises(DataError, match="holds no folder scifact"):
        CollectionTask(published_as(path)).load(places)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, home: Path, places: Places) -> None:
    (tmp_path / "mine" / "scifact").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    path = zip_folder(tmp_path / "mine", places.data / "beir" / "scifact.zip")
    with pytest.raises(DataError, match=f"cannot write to {tmp_path}/file/cache") as caught:
        CollectionTask(published_as(path)).load(replace(places, cache=tmp_path / "file" / "cache"))
    assert "HARNESS_CACHE" in caught.value.hint
