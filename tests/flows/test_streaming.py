"""Files of flows: read piece by piece with the answers of the whole, and refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.contract import Resources
from harness.errors import DataError
from harness.flows import csv_file
from harness.flows.csv_file import pieces
from harness.flows.streaming import probabilities, stream
from harness.flows.table import Table, joined
from harness.models.tabular import Tabular, TabularConfig
from tests.flows.generated import COLUMNS, inputs, rows

HEADER = "bytes,seconds,protocol\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "flows.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def lines(count: int) -> str:
    return "".join(f"{a},{b},{c}\n" for a, b, c in rows(count, 7))


def texts(table: Table) -> list[str]:
    return [table.texts[0][code] for code in table.codes[:, 0]]


def detector(folder: Path, window: int = 1) -> Tabular:
    model = Tabular(TabularConfig(learner="decision_tree", depth=5), 0)
    model.prepare(Resources(inputs(folder, window=window)[0], [], folder, folder))
    return model


@pytest.mark.parametrize("window", [1, 3])
def test_pieces_get_the_answers_of_the_whole(
    window: int, written: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = written(HEADER + lines(300)), detector(tmp_path, window)
    (whole,) = probabilities(model, pieces(path, COLUMNS))
    monkeypatch.setattr(csv_file, "PIECE_BYTES", 1000)
    by_piece = list(probabilities(model, pieces(path, COLUMNS)))
    assert len(by_piece) > 5
    assert np.array_equal(np.concatenate(by_piece), whole)


def test_answers_are_written_in_order_and_counted(written: Callable[[str], Path], tmp_path: Path) -> None:
    path, model = written(HEADER + lines(50)), detector(tmp_path)
    found = stream(model, pieces(path, COLUMNS), tmp_path / "answers.csv")
    labels = [line.split(",")[0].strip('"') for line in (tmp_path / "answers.csv").read_text().splitlines()[1:]]
    assert found.flows == len(labels) == 50
    assert found.said == {"benign": labels.count("benign"), "attack": labels.count("attack")}


def test_columns_are_found_by_name_and_values_are_cleaned(written: Callable[[bytes], Path]) -> None:
    path = written(b"\xef\xbb\xbf protocol,other, seconds ,bytes\r\n tcp ,x,Infinity,1\r\n,y,NaN,-5\r\n")
    (piece,) = pieces(path, COLUMNS)
    assert np.array_equal(piece.numbers, [[1, np.nan], [-5, np.nan]], equal_nan=True)
    assert texts(piece) == ["tcp", ""]


def test_without_names_the_columns_stand_first(written: Callable[[str], Path]) -> None:
    (piece,) = pieces(written("1,2,tcp,normal,20\n"), COLUMNS, header=False)
    assert (piece.numbers.tolist(), texts(piece)) == ([[1, 2]], ["tcp"])


def test_a_category_means_the_same_in_every_piece(
    written: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(HEADER + "1,2,tcp\n1,2,udp\n1,2, udp \n1,2,icmp\n1,2,tcp\n")
    monkeypatch.setattr(csv_file, "PIECE_BYTES", 30)
    several = list(pieces(path, COLUMNS))
    assert len(several) > 1
    assert texts(joined(several)) == ["tcp", "udp", "udp", "icmp", "tcp"]


def test_what_is_wrong_in_a_later_piece_is_said(
    written: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "PIECE_BYTES", 1000)
    path = written(HEADER + lines(100) + "many,1,tcp\n")
    with pytest.raises(DataError, match="many"):
        stream(detector(tmp_path), pieces(path, COLUMNS), tmp_path / "answers.csv")
    assert not (tmp_path / "answers.csv").exists()


@pytest.mark.parametrize(
    ("content", "header", "said"),
    [
        ("", True, "is empty"),
        ("bytes,protocol\n1,tcp\n", True, "lacks the columns seconds"),
        ("1,2,tcp\n", True, "lacks the columns bytes, seconds, protocol"),
        (HEADER + "1,2,tcp\n", False, "found a line of names"),
        ("1,2\n", False, "found 2 columns"),
        ("bytes,seconds,protocol,bytes\n1,2,tcp,3\n", True, "the columns bytes more than once"),
        (HEADER + "1,many,tcp\n", True, "many"),
        (HEADER + "1,2,tcp\n1,2\n", True, "Expected 3 columns, got 2"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    content: str, header: bool, said: str, written: Callable[[str], Path]
) -> None:
    with pytest.raises(DataError, match=said):
        list(pieces(written(content), COLUMNS, header=header))


def test_a_file_of_names_alone_has_no_flows(written: Callable[[str], Path], tmp_path: Path) -> None:
    assert stream(detector(tmp_path), pieces(written(HEADER), COLUMNS)).flows == 0


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none\.csv"):
        list(pieces(tmp_path / "none.csv", COLUMNS))


def test_the_command_labels_a_file(harness: Callable[..., object], tmp_path: Path) -> None:
    header = "protocol,service,state,duration,in_bytes,out_bytes,in_packets,out_packets,ttl\n"
    (tmp_path / "flows.csv").write_text(header + "tcp,ssh,rejected,.01,60,44,1,1,64\n" * 20)
    submission = tmp_path / "tree.yaml"
    submission.write_text("name: tree\nmodel:\n  kind: tabular\n  learner: decision_tree\n  depth: 3\n")
    said = harness("flows", str(submission), str(tmp_path / "flows.csv"), "--task", "nids/simulated", "--json")
    found = json.loads(said.stdout)  # type: ignore[attr-defined]
    assert found["flows"] == sum(found["said"].values()) == 20
    assert found["flows_per_second"] > 0
