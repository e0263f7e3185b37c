"""Floors: known answers on sequences that are small enough to count by hand."""

from __future__ import annotations

from pathlib import Path

from harness.contract import (
    ByteSequence,
    Classes,
    Example,
    Failure,
    Inputs,
    Labelled,
    LabelledSet,
    Prediction,
    Request,
    Resources,
)
from harness.models.floor import Floor, FloorConfig

TRAIN = [(b"mx", "1"), (b"my", "1"), (b"mz", "2"), (b"sx", "3"), (b"sy", "3"), (b"sz", "3")]


def trained(folder: Path, rule: str, rows: list[tuple[bytes, str]] = TRAIN) -> Floor:
    labelled = [Labelled(str(i), ByteSequence(data), label) for i, (data, label) in enumerate(rows)]
    inputs = Inputs(Request(labels=("1", "2", "3")), train=LabelledSet.write(folder / "train", labelled))
    model = Floor(FloorConfig.model_validate({"rule": rule}), seed=0)
    model.prepare(Resources(inputs, [], folder, folder))
    return model


def answers(model: Floor, *inputs: bytes) -> list[str | None]:
    predictions = model.predict([Example(str(i), ByteSequence(data)) for i, data in enumerate(inputs)])
    return [label(prediction) for prediction in predictions]


def label(prediction: Prediction) -> str | None:
    return prediction.output.label if isinstance(prediction.output, Classes) else None


def test_majority_is_the_most_common_label(tmp_path: Path) -> None:
    assert answers(trained(tmp_path, "majority"), b"mx", b"sz", b"") == ["3", "3", "3"]


def test_equally_common_labels_are_told_apart_by_the_order_of_the_task(tmp_path: Path) -> None:
    assert answers(trained(tmp_path, "majority", [(b"a", "3"), (b"b", "2")]), b"a") == ["2"]


def test_first_symbol_decides_and_an_unknown_one_falls_back(tmp_path: Path) -> None:
    assert answers(trained(tmp_path, "first_symbol"), b"mq", b"sq", b"qq", b"") == ["1", "3", "3", "3"]


def test_random_child_follows_an_edge_and_its_choice_is_its_id_s(tmp_path: Path) -> None:
    model = trained(tmp_path, "random_child")
    assert answers(model, b",ab,bc,cd?ad:a", b",ab,bc,cd?ad:ab") == ["b", "c"]
    graph = ByteSequence(b",ab,ac,ad?ad:a")
    many = model.predict([Example(str(i), graph) for i in range(300)])
    counts = {name: sum(label(one) == name for one in many) for name in "bcd"}
    assert sum(counts.values()) == 300
    assert min(counts.values()) > 60, "each child is as likely"
    assert model.predict([Example("7", graph)]) == [many[7]]


def test_random_child_without_an_edge_gives_no_answer(tmp_path: Path) -> None:
    model = trained(tmp_path, "random_child")
    (prediction,) = model.predict([Example("0", ByteSequence(b",ab?ab:b"))])
    assert isinstance(prediction.output, Failure)


def test_work_names_the_stage_of_the_usage(tmp_path: Path) -> None:
    model = trained(tmp_path, "majority")
    (prediction,) = model.predict([Example("0", ByteSequence(b"m"))])
    assert [usage.stage for usage in prediction.usage] == [stage.name for stage in model.phases().stages]
