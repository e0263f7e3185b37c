"""The catalogue knows every BEIR collection, and tells a whole one from half of one."""

import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from harness.contract import Places, Task
from harness.errors import DataError
from tasks.beir import FAMILY
from tasks.beir.catalogue import COLLECTIONS
from tasks.beir.collection import CollectionTask
from tasks.beir.suites import suites


def task(name: str) -> Task:
    return next(task for task in FAMILY.tasks() if task.card.name == name)


@pytest.fixture
def no_ir_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has never used ir_datasets."""
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "irds"))


@pytest.fixture
def copied(data_root: Path, tmp_path: Path) -> Places:
    """A data root with a writable copy of Cranfield."""
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        target = tmp_path / "beir" / "cranfield" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data_root / "beir" / "cranfield" / name, target)
    return Places(data=tmp_path, cache=tmp_path / "cache")


def test_every_collection_of_the_paper_is_there() -> None:
    names = {task.card.name.split("/")[1] for task in FAMILY.tasks()}
    paper = {"trec-covid", "bioasq", "nfcorpus", "nq", "hotpotqa", "fiqa", "signal1m", "trec-news", "robust04"}
    paper |= {"arguana", "webis-touche2020", "cqadupstack", "quora", "dbpedia-entity", "scidocs", "fever"}
    paper |= {"climate-fever", "scifact"}
    assert len(paper) == 18
    assert names == paper | {"msmarco", "webis-touche2020-v1", "cacm", "cranfield", "python-docs"}
    cards = [task.card.name for task in FAMILY.tasks()]
    assert len(set(cards)) == len(cards) == 34


def test_counts_checksums_and_sizes_are_those_of_ir_datasets() -> None:
    import ir_datasets

    package = Path(ir_datasets.__file__).parent / "etc"
    metadata = json.loads((package / "metadata.json").read_text())
    downloads = json.loads((package / "downloads.json").read_text())["beir"]
    public = [collection for collection in COLLECTIONS if collection.archive]
    assert len(public) == 27
    for it in public:
        assert it.archive is not None
        listed = downloads[it.archive.key]
        assert (it.archive.md5, it.archive.bytes) == (listed["expected_md5"], listed["size_hint"]), it.name
        split = metadata[it.ir_datasets]
        documents = metadata[split["docs"].get("_ref", it.ir_datasets)]["docs"]["count"]
        counts = (documents, split["queries"]["count"], split["qrels"]["count"])
        assert (it.documents, it.queries, it.judgements) == counts, it.name
    assert {it.archive.key for it in public if it.archive} == set(downloads)
    forums = [it for it in public if it.name.startswith("cqadupstack/")]
    assert (len(forums), sum(it.queries for it in forums)) == (12, 13_145)


def test_ir_datasets_knows_every_id() -> None:
    import ir_datasets

    for it in COLLECTIONS:
        if it.ir_datasets:
            ir_datasets.load(it.ir_datasets)


def test_every_licence_says_who_says_so() -> None:
    for it in COLLECTIONS:
        assert "(" in it.licence or it.licence.startswith(("terms of", "NIST's agreement", "none stated")), it.name


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "documents", "queries", "judgements", "dangling"),
    [("scifact", 5183, 300, 339, 0), ("cacm", 3204, 52, 796, 55), ("cranfield", 1400, 225, 1837, 0)],
)
def test_real_collections_load_with_exact_counts(
    data_root: Path, tmp_path: Path, name: str, documents: int, queries: int, judgements: int, dangling: int
) -> None:
    places = Places(data=data_root, cache=tmp_path)
    assert task(f"beir/{name}").status(places).state == "here"
    workload = task(f"beir/{name}").load(places)
    facts = workload.facts
    assert (facts["documents"], facts["queries"], facts["judgements"]) == (documents, queries, judgements)
    assert facts["dangling_judgements"] == dangling
    assert len(workload.examples) == queries


@pytest.mark.data
def test_scifact_records_are_the_published_ones(data_root: Path, tmp_path: Path) -> None:
    workload = task("beir/scifact").load(Places(data=data_root, cache=tmp_path))
    corpus = workload.inputs.corpus
    assert corpus is not None
    documents = list(corpus)
    assert len(corpus) == len(documents) == 5183
    # Ids and lengths of the first, tenth and last document, as the integration tests of ir_datasets have them.
    pinned = [(documents[i].id, len(documents[i].text)) for i in (0, 9, -1)]
    assert pinned == [("4983", 1809), ("70490", 486), ("198309074", 1681)]
    assert documents[0].title.startswith("Microstructural development of human newborn cerebral white matter")
    assert documents[0].text.startswith("Alterations of the architecture of cerebral white matter")
    asked = [workload.examples[i] for i in (0, 9, -1)]
    assert [example.id for example in asked] == ["1", "51", "1395"]
    assert asked[0].input == "0-dimensional biomaterials show inductive properties."
    assert workload.scorer.gold("1") == {"31715818": 1}


@pytest.mark.data
def test_a_truncated_corpus_says_what_was_expected(copied: Places) -> None:
    path = copied.data / "beir" / "cranfield" / "corpus.jsonl"
    with path.open() as lines:
        path.write_text("".join(list(islice(lines, 700))))
    with pytest.raises(DataError, match="expected 1,400 documents, found 700") as caught:
        task("beir/cranfield").load(copied)
    assert "half-downloaded" in caught.value.hint


@pytest.mark.data
def test_a_corpus_cut_within_a_line_names_the_line(copied: Places) -> None:
    path = copied.data / "beir" / "cranfield" / "corpus.jsonl"
    path.write_bytes(path.read_bytes()[:500_000])
    with pytest.raises(DataError, match=r"corpus\.jsonl, line \d+: .*truncated"):
        task("beir/cranfield").load(copied)


@pytest.mark.data
def test_lost_judgements_are_noticed(copied: Places) -> None:
    path = copied.data / "beir" / "cranfield" / "qrels" / "test.tsv"
    path.write_text(path.read_text().rstrip("\n").rpartition("\n")[0])
    with pytest.raises(DataError, match="expected 1,837 judgements, found 1,836"):
        task("beir/cranfield").load(copied)


@pytest.mark.data
def test_an_incomplete_folder_is_not_downloaded_over(copied: Places) -> None:
    (copied.data / "beir" / "cranfield" / "queries.jsonl").unlink()
    status = task("beir/cranfield").status(copied)
    assert (status.state, status.ready) == ("manual", False)
    assert "queries.jsonl" in status.hint
    with pytest.raises(DataError, match=r"not a complete BEIR folder: no queries\.jsonl"):
        task("beir/cranfield").load(copied)


@pytest.mark.data
def test_several_counts_that_differ_are_told_at_once(copied: Places) -> None:
    folder = copied.data / "beir" / "cranfield"
    for name, keep in (("corpus.jsonl", 1000), ("qrels/test.tsv", 1501)):
        with (folder / name).open() as lines:
            kept = "".join(islice(lines, keep))
        (folder / name).write_text(kept)
    with pytest.raises(DataError, match=r"expected 1,400 documents, .*1,837 judgements, found 1,000, .*1,500"):
        task("beir/cranfield").load(copied)


@pytest.mark.data
def test_data_that_is_another_collection_is_recognised(copied: Places) -> None:
    folder = copied.data / "beir"
    (folder / "cranfield").rename(folder / "scifact")
    with pytest.raises(DataError, match="expected 5,183 documents") as caught:
        task("beir/scifact").load(copied)
    assert caught.value.hint == f"These are the counts of beir/cranfield: rename the folder to {folder / 'cranfield'}."


@pytest.mark.data
def test_a_collection_that_users_make_may_differ_but_says_so(copied: Places) -> None:
    cranfield = next(collection for collection in COLLECTIONS if collection.name == "cranfield")
    made = replace(cranfield, documents=1_401, exact=False)
    workload = CollectionTask(made).load(copied)
    assert workload.facts["documents"] == 1_400
    assert "expected 1,401 documents, found 1,400: published scores are of another making" in workload.notes[-1]
    with pytest.raises(DataError, match="expected 1,401 documents, 226 queries, found 1,400, 225"):
        CollectionTask(replace(made, queries=226)).load(copied)


def test_the_averages_are_those_of_the_paper() -> None:
    found = {suite.name: suite for suite in suites()}
    assert [len(found[f"beir/{name}"].members) for name in ("18", "14", "small", "cqadupstack")] == [18, 14, 5, 12]
    tasks = list(found["beir/18"].tasks())
    assert len(set(tasks)) == 29
    assert not {"beir/msmarco", "beir/webis-touche2020-v1"} & set(tasks)
    by_hand = {f"beir/{it.name}" for it in COLLECTIONS if it.by_hand}
    assert set(tasks) - set(found["beir/14"].tasks()) == by_hand
    assert found["beir/cqadupstack"] in found["beir/18"].members
    sizes = {f"beir/{it.name}": it.documents for it in COLLECTIONS}
    small = {task for task in tasks if sizes[task] <= 60_000 and "cqadupstack" not in task}
    assert set(found["beir/small"].tasks()) == small


def test_both_versions_of_touche_are_named_apart() -> None:
    first, second = task("beir/webis-touche2020-v1"), task("beir/webis-touche2020")
    assert "(v1)" in first.card.description or "v1" in first.card.description
    assert "(v2)" in second.card.description


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("bioasq", "Register at bioasq.org"),
        ("signal1m", "research.signal-ai.com"),
        ("trec-news", "trec.nist.gov/data/wapost"),
        ("robust04", "trec.nist.gov/data/cd45"),
        ("cacm", "cannot be downloaded"),
        ("cranfield", "cannot be downloaded"),
    ],
)
def test_what_cannot_be_downloaded_says_how_to_get_it_and_where_to_put_it(tmp_path: Path, name: str, how: str) -> None:
    places = Places(data=tmp_path, cache=tmp_path / "cache")
    status = task(f"beir/{name}").status(places)
    assert status.state == "manual"
    with pytest.raises(DataError, match="is not here") as caught:
        task(f"beir/{name}").load(places)
    assert caught.value.hint == status.hint
    for words in (how, str(tmp_path / "beir" / name), "beir/python-docs"):
        assert words in status.hint


def test_a_public_collection_is_downloadable_and_says_what_that_takes(tmp_path: Path, no_ir_datasets: None) -> None:
    places = Places(data=tmp_path, cache=tmp_path / "cache")
    for name in ("scifact", "cqadupstack/tex", "msmarco"):
        assert task(f"beir/{name}").status(places).state == "downloadable"
    assert "6,980 queries (dev)" in task("beir/msmarco").card.description
    hint = task("beir/msmarco").status(places).hint
    assert "1,082 MB" in hint
    assert "80 MB of memory to load" in hint


def test_the_documentation_lists_every_collection_as_it_is() -> None:
    text = (Path(__file__).parents[2] / "docs" / "beir.md").read_text()
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `beir/")]
    rows = {row[0]: row[1:] for row in cells if len(row) == 8}
    for it in COLLECTIONS:
        split, documents, queries, judgements, id, archive, licence = rows[f"`beir/{it.name}`"]
        assert (split, licence) == (it.split, it.licence)
        assert [documents, queries, judgements] == [f"{n:,}" for n in (it.documents, it.queries, it.judgements)]
        assert id.strip("`") == (it.ir_datasets or "–")
        if it.archive:
            assert archive in (f"{it.archive.bytes / 1e6:,.0f} MB, `{it.archive.md5}`", "as above")
        else:
            assert archive == ("by hand" if it.by_hand else "none")
    for suite in suites():
        assert f"| `{suite.name}` |" in text
