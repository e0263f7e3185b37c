"""Any folder in BEIR layout is a task; whatever is wrong with it is named by file and line."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from harness.contract import Places
from harness.errors import DataError
from tasks.beir import FAMILY
from tasks.beir.folder import document_titles

CORPUS = [
    {"_id": "d1", "title": "Wings", "text": "Lift of a wing."},
    {"_id": "d 2", "title": "", "text": "Drag  of\na body, in words of its own."},
    {"_id": "q2", "title": "", "text": "A document named like a query."},
]
QUERIES = [
    {"_id": "q2", "text": "second", "metadata": {"kept": "out"}},
    {"_id": "unjudged", "text": "of another split"},
    {"_id": "q1", "text": "first"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td 2\t0\nq2\tgone\t1\n"


def write_lines(path: Path, records: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "qrels").mkdir(parents=True)
    write_lines(folder / "corpus.jsonl", CORPUS)
    write_lines(folder / "queries.jsonl", QUERIES)
    (folder / "qrels" / "test.tsv").write_text(QRELS)
    return folder


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(data=tmp_path / "nowhere", cache=tmp_path / "cache")


def fails(folder: Path, places: Places, match: str) -> None:
    with pytest.raises(DataError, match=match):
        FAMILY.open(folder).load(places)


def test_the_folder_is_a_task_under_its_own_name(folder: Path, places: Places) -> None:
    task = FAMILY.open(folder)
    assert task.card.name == "beir:mine"
    assert task.card.needs == {"ranking"}
    assert task.status(places).state == "here"


def test_the_judged_queries_are_asked_in_file_order(folder: Path, places: Places) -> None:
    workload = FAMILY.open(folder).load(places)
    assert [(example.id, example.input) for example in workload.examples] == [("q2", "second"), ("q1", "first")]
    assert workload.scorer.gold("q1") == {"d1": 2, "d 2": 0}


def test_the_corpus_streams_and_one_extra_document_is_asked_for(folder: Path, places: Places) -> None:
    inputs = FAMILY.open(folder).load(places).inputs
    assert inputs.corpus is not None
    assert [document.id for document in inputs.corpus] == ["d1", "d 2", "q2"]
    assert inputs.request.depth == 1001


def test_odd_judgements_are_counted(folder: Path, places: Places) -> None:
    with (folder / "qrels" / "test.tsv").open("a") as file:
        file.write("q1\td1\t1\nunjudged\td1\t-1\n")
    assert FAMILY.open(folder).load(places).facts == {
        "documents": 3,
        "queries": 3,
        "judgements": 5,
        "dangling_judgements": 1,
        "repeated_judgements": 1,
        "queries_without_relevant": 1,
        "documents_without_title": 2,
    }


@pytest.mark.parametrize(
    "text",
    [
        QRELS.replace("\n", "\r\n"),
        "\ufeff" + QRELS,
        QRELS.removesuffix("\n") + "\n\n",
        "q1 0 d1 2\nq1 0 d_2 0\nq2 0 gone 1",
    ],
    ids=["windows line ends", "byte-order mark", "blank line", "TREC columns"],
)
def test_judgements_are_read_in_these_renderings(folder: Path, places: Places, text: str) -> None:
    (folder / "qrels" / "test.tsv").write_bytes(text.encode())
    workload = FAMILY.open(folder).load(places)
    assert workload.facts["judgements"] == 3
    assert workload.scorer.gold("q2") == {"gone": 1}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (QRELS + "q1\td1\n", r"test\.tsv, line 5: expected 3 columns"),
        (QRELS + "q1\td1\t1.5\n", r"test\.tsv, line 5: the score '1\.5' is not a whole number"),
        (QRELS + "\td1\t1\n", r"line 5: expected 3 columns"),
        (QRELS + "q3\td1\t1\n", r"test\.tsv, line 5: judges the query 'q3', which is not in queries\.jsonl \(1 of 3"),
        (QRELS.partition("\n")[2], r"line 1: .* is neither the header"),
        ("q1 0 d1 1\nq1 0 d1\n", r"line 2: expected 4 columns"),
        ("query-id\tcorpus-id\tscore\n", "holds no judgements"),
        ("", "line 1"),
    ],
)
def test_a_bad_judgement_is_named(folder: Path, places: Places, text: str, match: str) -> None:
    (folder / "qrels" / "test.tsv").write_text(text)
    fails(folder, places, match)


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
@pytest.mark.parametrize(
    ("line", "match"),
    [
        ('{"_id": "q2", "text": "again"}', r"line 4: the id 'q2' is there twice"),
        ('{"_id": "", "text": "x"}', "line 4: the id is empty"),
        ('{"text": "x"}', "line 4: .*_id"),
        ('{"_id": 7, "text": "x"}', "line 4: Expected `str`, got `int`"),
        ('{"_id": "x", "text": "cut o', "line 4: .*truncated"),
        ("[]", "line 4: "),
    ],
)
def test_a_bad_record_is_named(folder: Path, places: Places, name: str, line: str, match: str) -> None:
    with (folder / name).open("a") as file:
        file.write(line)
    fails(folder, places, f"{name}, {match}")


def test_text_that_is_not_utf8_is_named(folder: Path, places: Places) -> None:
    with (folder / "corpus.jsonl").open("ab") as file:
        file.write(b'{"_id": "x", "text": "\xff"}\n')
    fails(folder, places, r"corpus\.jsonl, line 4: ")
    (folder / "qrels" / "test.tsv").write_bytes(b"\xff")
    fails(folder, places, "not UTF-8")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named(folder: Path, places: Places, name: str) -> None:
    task = FAMILY.open(folder)
    (folder / name).unlink()
    assert name in task.status(places).hint
    with pytest.raises(DataError, match=name):
        task.load(places)
    with pytest.raises(DataError, match=name):
        FAMILY.open(folder)


def test_an_empty_corpus_is_an_error(folder: Path, places: Places) -> None:
    (folder / "corpus.jsonl").write_text("\n")
    fails(folder, places, "holds no documents")


def test_a_path_that_is_no_folder_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match="neither a folder nor a zip"):
        FAMILY.open(folder / "corpus.jsonl")


def test_the_split_is_test_then_dev_then_the_only_one(folder: Path) -> None:
    qrels = folder / "qrels"
    (qrels / "dev.tsv").write_text(QRELS)
    assert "split test" in FAMILY.open(folder).card.description
    (qrels / "test.tsv").rename(qrels / "train.tsv")
    assert "split dev" in FAMILY.open(folder).card.description
    (qrels / "dev.tsv").unlink()
    assert "split train" in FAMILY.open(folder).card.description
    (qrels / "more.tsv").write_text(QRELS)
    with pytest.raises(DataError, match=r"several splits .*: more, train"):
        FAMILY.open(folder)


def test_the_digest_is_of_content(folder: Path, places: Places) -> None:
    def digest() -> str:
        return FAMILY.open(folder).load(places).digest

    before = digest()
    folder = folder.rename(folder.with_name("renamed"))
    write_lines(folder / "queries.jsonl", [*QUERIES, {"_id": "more", "text": "unjudged"}])
    assert digest() == before, "names and unused queries are no content"
    changes = {
        "qrels/test.tsv": QRELS.replace("\t2", "\t1"),
        "queries.jsonl": (folder / "queries.jsonl").read_text().replace("first", "First"),
        "corpus.jsonl": (folder / "corpus.jsonl").read_text().replace("Lift", "lift"),
    }
    seen = {before}
    for name, content in changes.items():
        (folder / name).write_text(content)
        seen.add(digest())
    assert len(seen) == 4


def test_titles_fall_back_to_the_first_words(folder: Path, places: Places) -> None:
    workload = FAMILY.open(folder).load(places)
    corpus, titles = workload.inputs.corpus, workload.document_titles
    assert corpus is not None and titles is not None
    assert titles({"d1"}) == {"d1": "Wings"}
    wanted = {"d1", "d 2", "absent"}
    assert document_titles(corpus, wanted, length=14) == {"d1": "Wings", "d 2": "Drag of a body"}


def test_loading_holds_no_more_than_a_few_bytes_a_document(folder: Path, places: Places) -> None:
    count = 50_000
    with (folder / "corpus.jsonl").open("a") as file:
        file.writelines(f'{{"_id": "more{i}", "text": "{"words " * 20}{i}"}}\n' for i in range(count))
    FAMILY.open(folder).load(places)  # so that what is imported on the way is not counted
    tracemalloc.start()
    workload = FAMILY.open(folder).load(places)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert workload.facts["documents"] == count + 3
    # Eight bytes a document, what the array grows ahead by, and buffers; the ids alone as strings are over 3 MB.
    assert held < 12 * count
    assert peak < 12 * count + 500_000


def test_a_long_load_tells_how_far_it_is(folder: Path, places: Places) -> None:
    with (folder / "corpus.jsonl").open("a") as file:
        file.writelines(f'{{"_id": "more{i}", "text": "{"words " * 20}"}}\n' for i in range(40_000))
    told: list[tuple[int, int, str]] = []
    FAMILY.open(folder).load(replace(places, progress=lambda *said: told.append(said)))
    steps = [(done, total) for done, total, unit in told if unit == "MB of corpus.jsonl"]
    assert len(steps) == 3
    assert steps == sorted(steps)
    assert steps[-1] == (6, 6)
