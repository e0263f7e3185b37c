"""The embedded task: the same bytes every time, no leaks, and a question that can be answered by reading."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from harness.contract import Places, Workload
from harness.errors import DataError
from tasks.beir.python_docs import MAX_DOCUMENTS, MAX_QUERIES, PythonDocs


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    root = tmp_path_factory.mktemp("python-docs")
    return Places(data=root / "no-data", cache=root / "cache")


@pytest.fixture(scope="module")
def workload(places: Places) -> Workload:
    return PythonDocs().load(places)


def corpus_of(workload: Workload) -> Path:
    assert workload.inputs.corpus is not None
    return Path(workload.inputs.corpus.path)


def test_it_needs_no_data(places: Places) -> None:
    task = PythonDocs()
    assert task.card.name == "beir/python-docs"
    assert task.card.generated
    assert task.status(places).state == "embedded"
    assert task.status(places).ready


def test_its_sizes(workload: Workload) -> None:
    assert workload.facts["documents"] == MAX_DOCUMENTS
    assert len(workload.examples) == workload.facts["judgements"] == MAX_QUERIES
    assert workload.facts["dangling_judgements"] == 0
    assert workload.facts["python"] == ".".join(map(str, sys.version_info[:3]))


def test_each_query_has_one_answer_and_does_not_name_it(workload: Workload) -> None:
    texts = {document.id: document.text for document in workload.inputs.corpus or ()}
    for example in workload.examples:
        assert isinstance(example.input, str)
        (answer,) = workload.scorer.gold(example.id)
        assert answer.rpartition(".")[2].lower() not in example.input.lower()
        assert example.input not in " ".join(texts[answer].split())
        assert answer not in example.id
        assert len(example.input.split()) >= 3
    assert len({example.input for example in workload.examples}) == MAX_QUERIES


def test_documents_are_distinct_and_public(workload: Workload) -> None:
    documents = list(workload.inputs.corpus or ())
    assert len({document.text for document in documents}) == MAX_DOCUMENTS
    assert not any(part.startswith("_") for document in documents for part in document.id.split("."))
    packages = {document.id.split(".")[0] for document in documents}
    assert packages.isdisjoint({"test", "idlelib", "lib2to3", "site-packages"})
    assert len(packages) > 50


def test_a_reader_of_words_finds_many_answers_but_not_all(workload: Workload) -> None:
    """Neither trivial nor hopeless: plain word overlap puts some answers first and misses others."""
    documents = {document.id: set(document.text.lower().split()) for document in workload.inputs.corpus or ()}
    found = 0
    for example in workload.examples:
        assert isinstance(example.input, str)
        words = set(example.input.lower().split())
        best = max(documents, key=lambda id: len(words & documents[id]) / (1 + len(documents[id])) ** 0.5)
        found += best in workload.scorer.gold(example.id)
    assert 0.05 * MAX_QUERIES < found < 0.8 * MAX_QUERIES


def test_the_cached_files_are_reused(workload: Workload, places: Places) -> None:
    corpus = corpus_of(workload)
    made = corpus.stat().st_mtime_ns
    assert PythonDocs().load(places).digest == workload.digest
    assert corpus.stat().st_mtime_ns == made
    assert [path.name for path in corpus.parent.parent.iterdir()] == [corpus.parent.name]


def test_made_again_the_bytes_are_the_same(workload: Workload, places: Places, tmp_path: Path) -> None:
    again = PythonDocs().load(Places(data=places.data, cache=tmp_path))
    assert again.digest == workload.digest
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        assert (corpus_of(again).parent / name).read_bytes() == (corpus_of(workload).parent / name).read_bytes()


def test_another_standard_library_is_another_task(
    workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdlib = tmp_path / "lib"
    stdlib.mkdir()
    for name in ("argparse.py", "shutil.py", "textwrap.py"):
        shutil.copyfile(Path(json.__file__).parent.parent / name, stdlib / name)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(stdlib))
    other = PythonDocs().load(Places(data=tmp_path, cache=tmp_path / "cache"))
    assert other.digest != workload.digest
    assert {document.id.split(".")[0] for document in other.inputs.corpus or ()} == {"argparse", "shutil", "textwrap"}


def test_a_python_without_sources_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError, match="sources of the standard library are not in"):
        PythonDocs().load(Places(data=tmp_path, cache=tmp_path / "cache"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write") as caught:
        PythonDocs().load(Places(data=tmp_path, cache=tmp_path / "file"))
    assert "HARNESS_CACHE" in caught.value.hint
