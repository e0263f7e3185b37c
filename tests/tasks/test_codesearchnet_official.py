"""Loaders of the official files hold what was published, and say what they lack."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import registry
from harness.contract import Places
from harness.errors import DataError
from tasks.codesearchnet import official, official_files
from tasks.codesearchnet.catalogue import LANGUAGES, tasks
from tasks.codesearchnet.layout import BeirLayout
from tasks.codesearchnet.reco import Apps, Conala
from tasks.codesearchnet.records import Oddities
from tasks.codesearchnet.task import CodeSearchTask

TASKS = {task.name.removeprefix("codesearchnet/"): task for task in tasks()}


def record(number: int, **more: object) -> dict[str, object]:
    words = ["find", f"thing{number}", "."]
    tokens = ["def", f"f{number}", "(", ")", ":", "return", str(number)]
    return {"url": f"https://x/{number}", "code_tokens": tokens, "docstring_tokens": words, "language": "ruby"} | more


def write(path: Path, records: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(each) + "\n" for each in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def with_source(name: str, source: Any) -> CodeSearchTask:
    return replace(TASKS[name], source=source)


# --- The filtered set -----------------------------------------------------------------------------------------------


@pytest.fixture
def filtered(places: Places) -> Path:
    folder = places.data / "codesearchnet" / "filtered" / "ruby"
    write(folder / "final" / "jsonl" / "test" / "ruby_test_0.jsonl.gz", [record(n) for n in range(3)])
    write(folder / "final" / "jsonl" / "valid" / "ruby_valid_0.jsonl.gz", [record(n) for n in range(3, 5)])
    write_lines(folder / "codebase.txt", [f"https://x/{n}" for n in (0, 1, 2, 3, 4, 99)])
    write_lines(folder / "test.txt", ["https://x/0", "https://x/2"])
    return folder


def test_the_filtered_set_searches_its_codebase(filtered: Path, places: Places) -> None:
    workload = with_source("filtered/ruby", official.Filtered("ruby", (2, 5))).load(places)
    assert [example.input for example in workload.examples] == ["find thing0 .", "find thing2 ."]
    assert workload.inputs.corpus is not None
    assert next(document.text for document in workload.inputs.corpus) == "def f0 ( ) : return 0"
    assert workload.scorer.gold(workload.examples[1].id) == {"https://x/2": 1}
    assert workload.scorer.metrics[0].name == "RR@1000"


def test_what_the_published_preprocessing_makes_is_read(filtered: Path, places: Places) -> None:
    """Its test.jsonl has no code, and its codebase.jsonl no documentation."""
    expected = with_source("filtered/ruby", official.Filtered("ruby", (2, 5))).load(places)
    for path in (filtered / "final").rglob("*.gz"):
        path.unlink()
    write(filtered / "test.jsonl", [record(n, code="", code_tokens=[]) for n in (0, 2)])
    write(filtered / "codebase.jsonl", [record(n, docstring="", docstring_tokens=[]) for n in range(5)])
    workload = with_source("filtered/ruby", official.Filtered("ruby", (2, 5))).load(places)
    assert workload.digest == expected.digest
    assert "repeated_urls" not in workload.facts


def test_the_published_zip_is_read_where_it_is(filtered: Path, places: Places) -> None:
    expected = with_source("filtered/ruby", official.Filtered("ruby", (2, 5))).load(places)
    path = places.data / "codesearchnet" / "official" / "ruby.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in (filtered / "final").rglob("*.gz"):
            archive.write(file, f"ruby/{file.relative_to(filtered)}")
            file.unlink()
    workload = with_source("filtered/ruby", official.Filtered("ruby", (2, 5))).load(places)
    assert workload.digest == expected.digest
    proxy = with_source("proxy-1000/ruby", official.Proxy("ruby", records=3, batch=3)).load(places)
    assert len(proxy.examples) == 3
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"cannot read .*ruby\.zip"):
        with_source("filtered/ruby", official.Filtered("ruby", (2, 5))).load(places)


def test_files_of_other_bytes_than_the_known_copy_are_noted(filtered: Path) -> None:
    odd = Oddities()
    official_files.note_digest(filtered / "test.txt", official_files.FILTERED["ruby/test.txt"], "sha256", odd)
    assert odd.counts == {"files_of_other_bytes": 1}
    assert "the known copy has c48697f5" in odd.notes[0]


def test_urls_without_a_record_are_counted_and_named(filtered: Path, places: Places) -> None:
    workload = with_source("filtered/ruby", official.Filtered("ruby", (2, 5))).load(places)
    assert workload.facts["codebase_urls_without_record"] == 1
    assert any("https://x/99" in note for note in workload.notes)


def test_another_number_of_candidates_is_refused(filtered: Path, places: Places) -> None:
    with pytest.raises(DataError, match="expected 1,261 queries with a record, found 2"):
        TASKS["filtered/ruby"].load(places)
    with pytest.raises(DataError, match="expected 6 candidates with a record, found 5"):
        with_source("filtered/ruby", official.Filtered("ruby", (2, 6))).load(places)


def test_a_url_that_is_listed_twice_is_named(filtered: Path, places: Places) -> None:
    write_lines(filtered / "codebase.txt", ["https://x/0", "https://x/1", "https://x/0"])
    with pytest.raises(DataError, match="line 3: https://x/0 is there twice, first on line 1"):
        TASKS["filtered/ruby"].load(places)


def test_a_query_outside_of_the_codebase_is_named(filtered: Path, places: Places) -> None:
    write_lines(filtered / "codebase.txt", ["https://x/1"])
    with pytest.raises(DataError, match=r"https://x/0 is not in codebase\.txt"):
        TASKS["filtered/ruby"].load(places)


def test_published_counts_are_those_of_the_readme() -> None:
    assert official.FILTERED["ruby"] == (1_261, 4_360)
    assert sum(queries for queries, _ in official.FILTERED.values()) == 52_561, "CoIR's number of queries"


# --- The others -----------------------------------------------------------------------------------------------------


def test_the_proxy_ranks_a_batch_and_drops_the_tail(places: Places) -> None:
    path = places.data / "codesearchnet" / "official" / "ruby" / "test" / "ruby_test_0.jsonl.gz"
    write(path, [record(n) for n in range(7)])
    workload = with_source("proxy-1000/ruby", official.Proxy("ruby", records=7, batch=3)).load(places)
    assert (len(workload.examples), workload.inputs.request.depth) == (6, 3)
    first, last = workload.examples[0], workload.examples[5]
    assert first.candidates is not None and last.candidates is not None
    assert set(workload.scorer.gold(last.id)) < set(last.candidates)
    assert not set(first.candidates) & set(last.candidates)
    assert workload.facts["records_beyond_the_last_batch"] == 1
    assert workload.lines[0].value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    with pytest.raises(DataError, match="expected 2,279 records, found 7"):
        TASKS["proxy-1000/ruby"].load(places)


def test_advtest_reads_the_masked_code(places: Places) -> None:
    records = [{"idx": n, "docstring_tokens": ["q", str(n)], "function_tokens": ["Func", str(n)]} for n in range(2)]
    write(places.data / "codesearchnet" / "advtest" / "test.jsonl", records)
    workload = with_source("advtest", official.AdvTest(records=2)).load(places)
    assert workload.inputs.corpus is not None
    assert [document.text for document in workload.inputs.corpus] == ["Func 0", "Func 1"]
    assert workload.scorer.metrics[0].name == "RR"


def test_the_challenge_keeps_judged_functions_that_are_not_there_in_the_ideal(data_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "codesearchnet"
    (root / "csn99").mkdir(parents=True)
    (root / "csn99" / "annotationStore.csv").symlink_to(data_root / "codesearchnet" / "csn99" / "annotationStore.csv")
    functions = [{"url": "https://github.com/X", "function": "def x ; end"}, {"url": "", "function": "def y ; end"}]
    write(root / "challenge" / "ruby" / "ruby_functions.jsonl.gz", functions)
    workload = TASKS["challenge/ruby"].load(Places(data=tmp_path, cache=tmp_path / "cache"))
    assert len(workload.examples) == 84
    assert workload.facts["records_without_code"] == 1
    assert any("164,048" in note for note in workload.notes)


def test_mteb_sets_are_read_in_beir_layout(places: Places) -> None:
    folder = places.data / "codesearchnet" / "mteb" / "ruby"
    write(folder / "corpus.jsonl", [{"_id": f"d{n}", "text": f"def f{n} ; end"} for n in range(3)])
    write(folder / "queries.jsonl", [{"_id": f"q{n}", "text": f"find f{n} now"} for n in range(2)])
    write_lines(folder / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", "q0\td0\t1", "q1\td2\t1"])
    workload = with_source("mteb/ruby", BeirLayout("mteb/ruby", "ruby", 3, 2)).load(places)
    assert [metric.name for metric in workload.scorer.metrics][:2] == ["nDCG@10", "RR"]
    with pytest.raises(DataError, match="expected 1,000 documents, found 3"):
        TASKS["mteb/ruby"].load(places)
    write_lines(folder / "qrels" / "test.tsv", ["query-id\tcorpus-id\tscore", "q0\tgone\t1"])
    with pytest.raises(DataError, match="'gone', right for 'q0', is not in"):
        TASKS["mteb/ruby"].load(places)


def test_reco_asks_for_the_rewritten_intent(places: Places) -> None:
    path = places.data / "codesearchnet" / "conala" / "conala-test.json"
    path.parent.mkdir(parents=True)
    rows = [{"intent": "a", "rewritten_intent": "b", "snippet": "x"}, {"intent": "c", "snippet": "y"}]
    path.write_text(json.dumps(rows))
    workload = with_source("conala", Conala(expected=2)).load(places)
    assert [example.input for example in workload.examples] == ["b", "c"]
    apps = places.data / "codesearchnet" / "apps"
    write_lines(apps / "ori-query.json", ['{"test": ["p", "q"]}'])
    write_lines(apps / "ori-code.json", ['{"test": ["x"]}'])
    with pytest.raises(DataError, match="expected 2 solutions"):
        with_source("apps", Apps()).load(places)


# --- All of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TASKS))
def test_data_that_is_not_here_is_asked_for(name: str, places: Places) -> None:
    task = TASKS[name]
    status = task.status(places)
    if status.state == "embedded":
        assert task.card.generated
        return
    assert status.state == "manual"
    with pytest.raises(DataError) as fault:
        task.load(places)
    assert fault.value.hint


def test_a_file_that_was_changed_is_not_the_published_one(places: Places) -> None:
    write(places.data / "codesearchnet" / "mbpp" / "mbpp.jsonl", [{"text": "t", "code": "c"}])
    with pytest.raises(DataError, match=r"not the published mbpp\.jsonl: expected sha256 ccf64ceae"):
        TASKS["mbpp"].load(places)


def test_languages_are_averaged() -> None:
    suites = {suite.name: suite for suite in registry.suites() if suite.name.startswith("codesearchnet/")}
    assert len(suites["codesearchnet/filtered"].members) == len(LANGUAGES) == 6
    known = {f"codesearchnet/{name}" for name in TASKS}
    assert all(set(suite.tasks()) <= known for suite in suites.values())
    for suite in suites.values():
        member = TASKS[str(suite.members[0]).removeprefix("codesearchnet/")]
        assert suite.metrics[0].name == member.card.primary_metric


def test_webquery_needs_labels_that_nobody_published(places: Places) -> None:
    folder = places.data / "codesearchnet" / "webquery"
    (task,) = [task for task in registry.tasks() if task.card.name == "codesearchnet/webquery"]
    folder.mkdir(parents=True)
    (folder / "test_webquery.json").write_text('[{"idx": "w1", "doc": "sort", "code": "x"}]')
    with pytest.raises(DataError, match=r"answers\.txt"):
        task.load(places)
    (folder / "answers.txt").write_text("w1 1\n")
    assert task.load(places).scorer.gold("w1") == "1"
