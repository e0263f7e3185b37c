"""Results files of BEIR and MTEB: what is taken from good ones, and what is said of bad ones."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.metrics.ranking import NAMES
from harness.reference import results_file
from harness.reference.results_file import METRICS, ResultsFile, digits, read

BEIR = ({"NDCG@1": 0.5, "NDCG@10": 0.6789}, {"MAP@1000": 0.6401}, {"Recall@100": 0.9253}, {"P@10": 0.0911})
# all-MiniLM-L6-v2 on ArguAna as embeddings-benchmark/results has it, shortened.
ARGUANA = {
    "dataset_revision": "c22ab2a51041ffd869aaddef7af8d8215647e41a",
    "evaluation_time": 6.810086488723755,
    "kg_co2_emissions": 0.001092590366519835,
    "mteb_version": "1.12.75",
    "scores": {
        "test": [
            {
                "hf_subset": "default",
                "languages": ["eng-Latn"],
                "main_score": 0.50167,
                "map_at_1000": 0.42241,
                "mrr_at_10": 0.4134056989320149,
                "nauc_map_at_1000_max": -0.017102705551432472,
                "ndcg_at_10": 0.50167,
                "recall_at_100": 0.97724,
                "recall_at_1000": 0.99502,
            }
        ]
    },
    "task_name": "ArguAna",
}


def found_in(folder: Path, content: Any) -> ResultsFile:
    file = folder / "results.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read(file)


def complaint(folder: Path, content: Any) -> str:
    with pytest.raises(InputError) as refusal:
        found_in(folder, content)
    assert "results.json" in refusal.value.message
    assert len(refusal.value.message) < 1000
    return f"{refusal.value.message} {refusal.value.hint}"


@pytest.mark.parametrize(
    "written",
    [
        BEIR,  # json.dump(EvaluateRetrieval.evaluate(…))
        {"ndcg": BEIR[0], "map": BEIR[1], "recall": BEIR[2], "precision": BEIR[3]},  # beir.util.save_results
        BEIR[0] | BEIR[1] | BEIR[2] | BEIR[3],
    ],
)
def test_what_beir_writes_is_read(tmp_path: Path, written: Any) -> None:
    found = found_in(tmp_path, written)
    assert found.scores == {"nDCG@10": Decimal("0.6789"), "R@100": Decimal("0.9253"), "AP": Decimal("0.6401")}
    assert set(found.passed_over) == {"NDCG@1", "P@10"}
    assert (found.origin, found.task, found.name) == ("BEIR", None, "results.json")
    assert len(found.digest) == 64


def test_what_mteb_writes_is_read(tmp_path: Path) -> None:
    found = found_in(tmp_path, ARGUANA)
    assert {metric: float(value) for metric, value in found.scores.items()} == {
        "nDCG@10": 0.50167,
        "R@100": 0.97724,
        "R@1000": 0.99502,
        "AP": 0.42241,
        "RR@10": 0.4134056989320149,
    }
    assert (found.origin, found.task) == ("MTEB 1.12.75", "beir/arguana")


def test_what_old_versions_of_mteb_wrote_is_read(tmp_path: Path) -> None:
    (scores,) = ARGUANA["scores"]["test"]  # type: ignore[index]
    found = found_in(tmp_path, {"mteb_dataset_name": "ArguAna", "mteb_version": "1.1.1", "test": scores})
    assert found.scores["nDCG@10"] == Decimal("0.50167")
    assert (found.origin, found.task) == ("MTEB 1.1.1", "beir/arguana")


def test_what_a_file_says_of_its_version_is_cut_and_made_plain(tmp_path: Path) -> None:
    assert found_in(tmp_path, ARGUANA | {"mteb_version": "1\x00\u202e"}).origin == "MTEB 1\\x00\\u202e"
    assert len(found_in(tmp_path, ARGUANA | {"mteb_version": "1" * 10_000}).origin) < 100
    assert found_in(tmp_path, ARGUANA | {"mteb_version": None}).origin == "MTEB"


def test_ms_marco_is_scored_on_its_dev_split(tmp_path: Path) -> None:
    (scores,) = ARGUANA["scores"]["test"]  # type: ignore[index]
    both = {"dev": [scores | {"ndcg_at_10": 0.25}], "test": [scores]}
    found = found_in(tmp_path, ARGUANA | {"task_name": "MSMARCO", "scores": both})
    assert (found.task, found.scores["nDCG@10"]) == ("beir/msmarco", Decimal("0.25"))


def test_metrics_are_ours_and_come_in_our_order(tmp_path: Path) -> None:
    assert set(METRICS) <= set(NAMES)
    assert list(found_in(tmp_path, {"MAP@1000": 0.1, "NDCG@10": 0.2}).scores) == ["nDCG@10", "AP"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\x80\x04\x95 a pickle", "UTF-8"),
        (b'{"NDCG@10": NaN}', "holds NaN"),
        (b'{"NDCG@10": -Infinity}', "holds -Infinity"),
        (b'{"NDCG@10": 0.5, "NDCG@10": 0.6}', "'NDCG@10' twice"),
        (b'[{"NDCG@10": 0.5}, {"NDCG@10": 0.6}]', "'NDCG@10' twice"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"NDCG@10": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"NDCG@10": 1e999999999}', "not between 0 and 1"),
        (b'{"NDCG@10": 1e-999999999, "a": ' + b'"x"' * 1 + b"}", "no metric 'a'"),
        ([1, 2], "neither layout"),
        ("text", "neither layout"),
        ({}, "none of the metrics"),
        ({"P@10": 0.1}, "none of the metrics"),
        ({"NDGC@10": 0.5}, "no metric 'NDGC@10' Did you mean 'NDCG@10'?"),
        ({"NDCG@10": 67.9}, "67.9, which looks like percent; scores here are fractions Divide all of them by 100: "),
        ({"NDCG@10": 100}, "percent"),
        ({"NDCG@10": 679}, "not between 0 and 1"),
        ({"NDCG@10": -0.1}, "not between 0 and 1"),
        ({"NDCG@10": None}, "None, not a number"),
        ({"NDCG@10": True}, "True, not a number"),
        ({"NDCG@10": "0.5"}, "'0.5', not a number"),
        ({"NDCG@10": "x" * 1_000_000}, "more characters], not a number"),
        ({"x" * 1_000_000: 0.5}, "more characters]"),
        (ARGUANA | {"task_name": "ArguAnna"}, "'ArguAnna', which is not here Did you mean 'ArguAna'?"),
        (ARGUANA | {"task_name": 7}, "which is not here"),
        (ARGUANA | {"scores": {"dev": ARGUANA["scores"]["test"]}}, "no scores of the split 'test'"),  # type: ignore[index]
        (ARGUANA | {"scores": {"test": []}}, "no scores of the split 'test'"),
        (ARGUANA | {"scores": [1]}, "no scores of the split 'test'"),
        (ARGUANA | {"scores": {"test": [{"main_score": 0.5}]}}, "none of the metrics"),
        (ARGUANA | {"scores": {"test": [{"ndcg_at_10": 50.167}]}}, "percent"),
    ],
)
def test_a_bad_file_is_refused_in_a_sentence(tmp_path: Path, content: Any, expected: str) -> None:
    assert expected in complaint(tmp_path, content)


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_file, "_MAX_BYTES", 1 << 20)
    assert "above 1 MiB" in complaint(tmp_path, b" " * ((1 << 20) + 1))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "results.json", tmp_path):
        with pytest.raises(InputError, match="cannot read"):
            read(path)


@pytest.mark.parametrize(("written", "expected"), [("0.6789", 4), ("0.50", 2), ("1", 0), ("1e-3", 3), ("1e-99", 17)])
def test_digits_are_those_that_the_file_gives(written: str, expected: int) -> None:
    assert digits(Decimal(written)) == expected
